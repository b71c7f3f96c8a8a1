import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { utils } from 'ssh2';
import { generateKeyPair } from '../../../src/ssh';
import { testUnless } from '../../support/skip';

describe('generateKeyPair', () => {
  it('makes pairs that sign and verify, each time (ssh2’s own generator fails about once in a thousand)', () => {
    const data = Buffer.from('challenge');
    for (let count = 0; count < 500; count++) {
      const pair = generateKeyPair(`job-${count}`);
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
        const pair = generateKeyPair(comment);
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
