import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { HostError } from '../errors';

export interface Authorities {
  readonly environment: Readonly<Record<string, string>>;
  /** Files of PEM that somebody named for one server: they must be there. */
  readonly files?: readonly string[];
}

/**
 * Node's own certificate authorities and further ones, as PEM; undefined: no further ones. Go
 * programs take SSL_CERT_FILE; Node itself reads only NODE_EXTRA_CA_CERTS, and that only from the
 * real environment.
 * @throws HostError for a named file that can't be read.
 */
export function furtherCa({ environment, files = [] }: Authorities): string[] | undefined {
  const ofEnvironment = [environment.SSL_CERT_FILE, environment.NODE_EXTRA_CA_CERTS].filter(
    (file) => file !== undefined,
  );
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
