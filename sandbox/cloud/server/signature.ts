/** Signature v1 of RPC calls: https://www.alibabacloud.com/help/en/sdk/product-overview/rpc-mechanism (HMAC-SHA1). */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { AccessKey } from '../model/records';
import { ApiError, missingParameter } from './errors';
import type { Parameters } from './parameters';

const CLOCK_SKEW_MS = 15 * 60_000;

/** RFC 3986: like encodeURIComponent, and `!'()*` too. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

export function stringToSign(method: string, parameters: Parameters): string {
  const canonical = Object.keys(parameters)
    .filter((name) => name !== 'Signature')
    .sort()
    .map((name) => `${percentEncode(name)}=${percentEncode(parameters[name] ?? '')}`)
    .join('&');
  return `${method}&${percentEncode('/')}&${percentEncode(canonical)}`;
}

/** Base64 of the HMAC-SHA1 that the caller must have sent. */
export function sign(method: string, parameters: Parameters, secret: string): string {
  return createHmac('sha1', `${secret}&`).update(stringToSign(method, parameters)).digest('base64');
}

/** Checks who calls, and that each call is made once and now. */
export class SignatureCheck {
  /** Nonces seen, with the time until which they are remembered. */
  private readonly nonces = new Map<string, number>();

  constructor(
    private readonly findKey: (accessKeyId: string) => AccessKey | undefined,
    private readonly now: () => number,
  ) {}

  /** Throws `ApiError` with the real API's code; returns the key. */
  check(method: string, parameters: Parameters): AccessKey {
    for (const name of [
      'AccessKeyId',
      'SignatureMethod',
      'SignatureVersion',
      'SignatureNonce',
      'Timestamp',
      'Signature',
    ]) {
      if (!parameters[name]) throw missingParameter(name);
    }
    const key = this.findKey(parameters.AccessKeyId ?? '');
    if (!key) throw new ApiError(404, 'InvalidAccessKeyId.NotFound', 'Specified access key is not found.');
    checkToken(key, parameters.SecurityToken);
    if (key.endsAt !== undefined && key.endsAt <= this.now()) throw ended(key);
    if (parameters.SignatureMethod !== 'HMAC-SHA1' || parameters.SignatureVersion !== '1.0') {
      throw new ApiError(400, 'InvalidSignatureMethod', 'Specified signature method is not valid.');
    }
    this.checkTime(parameters.Timestamp ?? '');
    if (!equal(sign(method, parameters, key.secret), parameters.Signature ?? '')) {
      const wanted = stringToSign(method, parameters);
      throw new ApiError(
        400,
        'SignatureDoesNotMatch',
        `Specified signature is not matched with our calculation. server string to sign is:${wanted}`,
      );
    }
    this.checkNonce(`${parameters.AccessKeyId} ${parameters.SignatureNonce}`);
    return key;
  }

  private checkTime(timestamp: string): void {
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(timestamp)) {
      throw new ApiError(400, 'InvalidTimeStamp.Format', 'Specified time stamp or date value is not well formatted.');
    }
    if (!(Math.abs(Date.parse(timestamp) - this.now()) <= CLOCK_SKEW_MS)) {
      throw new ApiError(400, 'InvalidTimeStamp.Expired', 'Specified time stamp or date value is expired.');
    }
  }

  private checkNonce(nonce: string): void {
    const now = this.now();
    for (const [old, until] of this.nonces) {
      if (until > now) break;
      this.nonces.delete(old);
    }
    if (this.nonces.has(nonce)) {
      throw new ApiError(400, 'SignatureNonceUsed', 'Specified signature nonce was used already.');
    }
    this.nonces.set(nonce, now + 2 * CLOCK_SKEW_MS);
  }
}

function checkToken(key: AccessKey, token: string | undefined): void {
  if (key.securityToken === undefined && !token) return;
  if (key.securityToken !== undefined && !token) {
    throw new ApiError(404, 'InvalidAccessKeyId.NotFound', 'Specified access key is not found.');
  }
  if (key.securityToken === undefined || !equal(key.securityToken, token ?? '')) {
    throw new ApiError(
      400,
      'InvalidSecurityToken.MismatchWithAccessKey',
      'Specified security token is not match with specified access key.',
    );
  }
}

function ended(key: AccessKey): ApiError {
  return key.securityToken === undefined
    ? new ApiError(403, 'InvalidAccessKeyId.Inactive', 'Specified access key is disabled.')
    : new ApiError(400, 'InvalidSecurityToken.Expired', 'Specified SecurityToken is expired.');
}

function equal(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
