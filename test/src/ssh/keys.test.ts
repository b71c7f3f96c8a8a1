import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { utils } from 'ssh2';
import { generateHostKeyPair, generateLoginKeyPair } from '../../../src/ssh';
import { testUnless } from '../../support/skip';

describe('generateLoginKeyPair', () => {
  it('makes an RSA pair of a kind that ImportKeyPair documents, which ssh2 and OpenSSH read', async () => {
    const data = Buffer.from('challenge');
    const pair = await generateLoginKeyPair('job-1');
    const [secret, open] = [utils.parseKey(pair.privateKey), utils.parseKey(pair.publicKey)];
    if (secret instanceof Error || open instanceof Error) throw new Error(`unreadable: ${pair.publicKey}`);
    expect(pair.publicKey).toMatch(/^ssh-rsa [A-Za-z0-9+/]+=* job-1$/);
    expect(open.verify(data, secret.sign(data) as Buffer)).toBe(true);
  });
});

describe('generateHostKeyPair', () => {
  it('makes pairs that sign and verify, each time (ssh2’s own generator fails about once in a thousand)', () => {
    const data = Buffer.from('challenge');
    for (let count = 0; count < 500; count++) {
      const pair = generateHostKeyPair(`job-${count}`);
      const secret = utils.parseKey(pair.privateKey);
      const open = utils.parseKey(pair.publicKey);
      if (secret instanceof Error || open instanceof Error) throw new Error(`unreadable: ${pair.publicKey}`);
      expect(open.verify(data, secret.sign(data) as Buffer)).toBe(true);
    }
  });

  const missing = spawnSync('ssh-keygen', ['-?']).error && "ssh-keygen isn't installed";
  testUnless(missing, 'is read by OpenSSH, which derives the same public line', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-key-'));
    try {
      for (const comment of ['', 'job-1', 'job-gitlab.example.com-1001-1']) {
        const pair = generateHostKeyPair(comment);
        const file = path.join(folder, `key-${comment}`);
        writeFileSync(file, pair.privateKey, { mode: 0o600 });
        const derived = spawnSync('ssh-keygen', ['-y', '-f', file], { encoding: 'utf8' });
        expect(derived.stderr).toBe('');
        expect(derived.stdout.trim()).toBe(pair.publicKey);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
