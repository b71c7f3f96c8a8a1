import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { HostError } from '../errors';

export interface Authorities {
  readonly environment: Readonly<Record<string, string>>;
  /** Files of PEM that somebody named for one server: they must be there. */
  readonly files?: readonly string[];
}

/**
 * Node's own certificate authorities and further ones, as PEM; undefined: none that Node does not
 * have already. Go programs take SSL_CERT_FILE; Node itself reads only NODE_EXTRA_CA_CERTS, and that
 * only from the environment that it was started with. To read all of its own anew costs 35 ms of CPU.
 * @param nodeReads the file that Node has read
 * @throws HostError for a named file that can't be read.
 */
export function furtherCa(
  { environment, files = [] }: Authorities,
  nodeReads = startedWith('NODE_EXTRA_CA_CERTS'),
): string[] | undefined {
  const ofEnvironment = [environment.SSL_CERT_FILE, environment.NODE_EXTRA_CA_CERTS].filter(
    (file) => file !== undefined && file !== nodeReads,
  ) as string[];
  const certificates = [
    ...[...new Set(ofEnvironment)].flatMap((file) => {
      try {
        return [readFileSync(file, 'utf8')];
      } catch {
        return [];
      }
    }),
    ...files.map(readNamed),
  ];
  return certificates.length > 0 ? [...rootCertificates, ...certificates] : undefined;
}

/** The trusted authorities, made at the first connection and reused. Undefined: those of Node. */
export function furtherTrust(authorities: Authorities, nodeReads?: string): () => SecureContext | undefined {
  let made: { readonly context: SecureContext | undefined } | undefined;
  const make = (): SecureContext | undefined => {
    const ca = furtherCa(authorities, nodeReads);
    return ca && createSecureContext({ ca });
  };
  return () => (made ??= { context: make() }).context;
}

/** The variable's value when this process was started, whatever was set since. */
function startedWith(name: string): string | undefined {
  try {
    const entries = readFileSync('/proc/self/environ', 'utf8').split('\0');
    return entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  } catch {
    return undefined;
  }
}

function readNamed(file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  } catch (error) {
    throw new HostError(`The CA file ${file} can't be read (${(error as NodeJS.ErrnoException).code})`, {
      remedy: 'Name a file of PEM certificates that the user of gitlab-runner may read.',
      cause: error,
    });
  }
  throw new HostError(`The CA file ${file} holds no PEM certificate`, {
    remedy: 'Name the certificate of the authority, which begins with -----BEGIN CERTIFICATE-----.',
  });
}
