import { ProxyFailed } from './agent';

/**
 * Node's words for a certificate whose authority it does not know.
 * https://nodejs.org/api/tls.html#x509-certificate-error-codes
 */
const UNTRUSTED = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

export interface NetworkReason {
  /** Half a sentence: what kept the server from answering. */
  readonly reason: string;
  /** `proxy` and `certificate` have remedies of their own; undefined: name, port, server. */
  readonly kind: 'proxy' | 'certificate' | undefined;
}

/** What an error of the network means. Never holds a proxy's password. */
export function networkReason(error: unknown): NetworkReason {
  if (error instanceof ProxyFailed) return { reason: `the proxy ${error.host} ${error.why}`, kind: 'proxy' };
  // Of our own limit's error the cause is only how the call was ended.
  if (codeOf(error) === 'ETIMEDOUT') return { reason: 'no answer in time', kind: undefined };
  const cause = innermost(error);
  const { code, message = String(cause), name = '' } = cause as NodeJS.ErrnoException;
  if (typeof code === 'string') {
    if (UNTRUSTED.has(code))
      return {
        reason: `its certificate is of an authority that this host does not know (${code})`,
        kind: 'certificate',
      };
    if (code === 'CERT_HAS_EXPIRED') return { reason: `its certificate has expired (${code})`, kind: undefined };
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
      return { reason: `its certificate is for another name (${code})`, kind: undefined };
    return { reason: code, kind: undefined };
  }
  return { reason: message.split('\n')[0]!.slice(0, 120) || name, kind: undefined };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function innermost(error: unknown): unknown {
  return error instanceof Error && typeof error.cause === 'object' && error.cause !== null
    ? innermost(error.cause)
    : error;
}

/** What to do where a proxy or a certificate is in the way; `otherwise` for all else. */
export function networkRemedy(
  { kind }: NetworkReason,
  { certificate, otherwise }: { readonly certificate: string; readonly otherwise: string },
): string {
  if (kind === 'certificate') return certificate;
  if (kind === 'proxy')
    return 'Check HTTPS_PROXY or HTTP_PROXY, the name and password in it, and whether NO_PROXY should name the server.';
  return otherwise;
}
