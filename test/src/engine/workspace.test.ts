import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ensureWorkDir } from '../../../src/engine/workspace';

let directory: string;
beforeEach(() => (directory = path.join(mkdtempSync(path.join(os.tmpdir(), 'workspace-')), 'work')));
afterEach(() => rmSync(path.dirname(directory), { recursive: true, force: true }));

describe('a work dir', () => {
  test('whose project file was cut short by a kill is mended', () => {
    ensureWorkDir(directory);
    const file = path.join(directory, 'Pulumi.yaml');
    const whole = readFileSync(file, 'utf8');
    expect(whole).toContain('name: gitlab-spot');
    for (const length of [0, 10]) {
      truncateSync(file, length);
      ensureWorkDir(directory);
      expect(readFileSync(file, 'utf8')).toBe(whole);
    }
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});
