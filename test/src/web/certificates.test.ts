import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { rootCertificates } from 'node:tls';
import { furtherCa, furtherTrust } from '../../../src/web/certificates';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-ca-'));
  file = path.join(directory, 'ca.pem');
  writeFileSync(file, rootCertificates[0]!);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('an authority that Node has read itself is no further one', () => {
  expect(furtherCa({ environment: { SSL_CERT_FILE: file, NODE_EXTRA_CA_CERTS: file } }, file)).toBeUndefined();
});

test.each(['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS'])('one that only the env file names is: %s', (name) => {
  const all = furtherCa({ environment: { [name]: file } }, path.join(directory, 'another.pem'));
  expect(all).toEqual([...rootCertificates, rootCertificates[0]]);
});

test('a file that somebody named for one server counts in any case', () => {
  expect(furtherCa({ environment: {}, files: [file] }, file)).toContain(rootCertificates[0]);
});

test('all connections share one context, made at the first', () => {
  const trust = furtherTrust({ environment: { SSL_CERT_FILE: file } }, path.join(directory, 'another.pem'));
  const first = trust();
  rmSync(file);
  expect(first).toBeDefined();
  expect(trust()).toBe(first);
});

test('without further ones there is none', () => {
  expect(furtherTrust({ environment: {} })()).toBeUndefined();
});
