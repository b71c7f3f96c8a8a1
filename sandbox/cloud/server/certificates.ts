/**
 * The sandbox's own CA, and the endpoint's certificate signed by it. Kept in the sandbox's folder,
 * so that a restart is trusted too.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { generate } from 'selfsigned';

export interface Certificates {
  readonly caFile: string;
  readonly key: string;
  readonly cert: string;
}

const NAMES = ['localhost', '*.aliyuncs.com', '*.cn-hangzhou.aliyuncs.com', '*.localhost'];
const TEN_YEARS_MS = 10 * 365 * 24 * 3600_000;

/**
 * Reads the certificates of `directory`, or makes them. The CA's private key is thrown away:
 * nothing else can be signed with it.
 */
export async function certificatesIn(directory: string, region: string): Promise<Certificates> {
  const folder = path.join(directory, 'tls');
  const file = {
    ca: path.join(folder, 'ca.pem'),
    key: path.join(folder, 'key.pem'),
    cert: path.join(folder, 'cert.pem'),
  };
  if (!existsSync(file.cert)) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const made = await make(region);
    await writeFile(file.ca, made.ca, { mode: 0o644 });
    await writeFile(file.key, made.key, { mode: 0o600 });
    await writeFile(file.cert, made.cert, { mode: 0o644 });
  }
  return { caFile: file.ca, key: await readFile(file.key, 'utf8'), cert: await readFile(file.cert, 'utf8') };
}

async function make(region: string): Promise<{ ca: string; key: string; cert: string }> {
  const validity = {
    keyType: 'ec' as const,
    algorithm: 'sha256' as const,
    notBeforeDate: new Date(Date.now() - 24 * 3600_000),
    notAfterDate: new Date(Date.now() + TEN_YEARS_MS),
  };
  const ca = await generate([{ name: 'commonName', value: 'gitlab-spot sandbox CA' }], {
    ...validity,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
    ],
  });
  const leaf = await generate([{ name: 'commonName', value: 'gitlab-spot sandbox cloud' }], {
    ...validity,
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...[...new Set([...NAMES, `*.${region}.aliyuncs.com`])].map((value) => ({ type: 2 as const, value })),
          { type: 7 as const, ip: '127.0.0.1' },
          { type: 7 as const, ip: '::1' },
        ],
      },
    ],
  });
  return { ca: ca.cert, key: leaf.private, cert: leaf.cert };
}
