import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

/** Go programs take SSL_CERT_FILE; Node itself reads only NODE_EXTRA_CA_CERTS, and that only from the real environment. */
export function furtherCa(environment: Readonly<Record<string, string>>): string[] | undefined {
  const files = [environment.SSL_CERT_FILE, environment.NODE_EXTRA_CA_CERTS].filter((file) => file !== undefined);
  const certificates = [...new Set(files)].flatMap((file) => {
    try {
      return [readFileSync(file, 'utf8')];
    } catch {
      return [];
    }
  });
  return certificates.length > 0 ? [...rootCertificates, ...certificates] : undefined;
}
