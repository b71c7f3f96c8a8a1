/**
 * Signature v1 of RPC calls:
 * https://www.alibabacloud.com/help/en/sdk/product-overview/rpc-mechanism (HMAC-SHA1).
 */
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

/** Who a call says it comes from, whichever signature it carries. */
export interface Claim {
  readonly accessKeyId: string;
  readonly securityToken: string | undefined;
  /** `2026-11-24T15:13:00Z` */
  readonly timestamp: string;
  readonly nonce: string;
  /** What the server signs. */
  readonly stringToSign: string;
  readonly isSignedWith: (secret: string) => boolean;
}

/** The claim of a call with signature v1. Throws `ApiError` where a part of it is missing. */
export function claimOf(method: string, parameters: Parameters): Claim {
  const required = ['AccessKeyId', 'SignatureMethod', 'SignatureVersion', 'SignatureNonce', 'Timestamp', 'Signature'];
  for (const name of required) if (!parameters[name]) throw missingParameter(name);
  if (parameters.SignatureMethod !== 'HMAC-SHA1' || parameters.SignatureVersion !== '1.0') {
    throw new ApiError(400, 'InvalidSignatureMethod', 'Specified signature method is not valid.');
  }
  return {
    accessKeyId: parameters.AccessKeyId ?? '',
    securityToken: parameters.SecurityToken,
    timestamp: parameters.Timestamp ?? '',
    nonce: parameters.SignatureNonce ?? '',
    stringToSign: stringToSign(method, parameters),
    isSignedWith: (secret) => equal(sign(method, parameters, secret), parameters.Signature ?? ''),
  };
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
  check(claim: Claim): AccessKey {
    const key = this.findKey(claim.accessKeyId);
    if (!key) throw new ApiError(404, 'InvalidAccessKeyId.NotFound', 'Specified access key is not found.');
    checkToken(key, claim.securityToken);
    if (key.endsAt !== undefined && key.endsAt <= this.now()) throw ended(key);
    this.checkTime(claim.timestamp);
    if (!claim.isSignedWith(key.secret)) {
      throw new ApiError(
        400,
        'SignatureDoesNotMatch',
        `Specified signature is not matched with our calculation. server string to sign is:${claim.stringToSign}`,
      );
    }
    this.checkNonce(`${claim.accessKeyId} ${claim.nonce}`);
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

/** In constant time. */
export function equal(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
