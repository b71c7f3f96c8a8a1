/**
 * Signature v3 (ACS3-HMAC-SHA256), which newer clients send: action, version and credentials are
 * headers.
 * https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
 */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ApiError } from './errors';
import type { Parameters } from './parameters';
import { equal, percentEncode, type Claim } from './signature';

const ALGORITHM = 'ACS3-HMAC-SHA256';
const AUTHORIZATION = /^ACS3-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)$/;

export function isV3(request: IncomingMessage): boolean {
  return (request.headers.authorization ?? '').startsWith(ALGORITHM);
}

/** What v1 has among its parameters. */
export function parametersOfV3(request: IncomingMessage): Parameters {
  const accessKeyId = AUTHORIZATION.exec(request.headers.authorization ?? '')?.[1];
  return {
    Action: header(request, 'x-acs-action'),
    Version: header(request, 'x-acs-version'),
    ...(accessKeyId === undefined ? {} : { AccessKeyId: accessKeyId }),
  };
}

/** Throws `ApiError` where the header can't be read, or the body is not the one that was signed. */
export function claimOfV3(request: IncomingMessage, body: Buffer): Claim {
  const [, accessKeyId, signedHeaders, signature] = AUTHORIZATION.exec(request.headers.authorization ?? '') ?? [];
  if (accessKeyId === undefined || signedHeaders === undefined || signature === undefined) {
    throw new ApiError(400, 'IncompleteSignature', 'The request signature does not conform to Aliyun standards.');
  }
  const digest = createHash('sha256').update(body).digest('hex');
  if (header(request, 'x-acs-content-sha256') !== digest) {
    throw new ApiError(
      400,
      'InvalidParameter.ContentSha256',
      'The header x-acs-content-sha256 does not match the body.',
    );
  }
  const canonical = canonicalRequest(request, signedHeaders, digest);
  const stringToSign = `${ALGORITHM}\n${createHash('sha256').update(canonical).digest('hex')}`;
  return {
    accessKeyId,
    securityToken: header(request, 'x-acs-security-token') || undefined,
    timestamp: header(request, 'x-acs-date'),
    nonce: header(request, 'x-acs-signature-nonce'),
    stringToSign,
    isSignedWith: (secret) => equal(createHmac('sha256', secret).update(stringToSign).digest('hex'), signature),
  };
}

function canonicalRequest(request: IncomingMessage, signedHeaders: string, digest: string): string {
  const [path = '/', query = ''] = (request.url ?? '/').split('?');
  const parameters = [...new URLSearchParams(query)]
    .map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
    .sort();
  const headers = signedHeaders.split(';').map((name) => `${name}:${header(request, name).trim()}\n`);
  return [request.method, path, parameters.join('&'), headers.join(''), signedHeaders, digest].join('\n');
}

function header(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}
