import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Settings } from '../../../src/settings/types';
import { cliEnvironment, ensureWorkDir } from '../../../src/engine/workspace';

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

test('a passphrase that was lost is made anew, and that is said where there are stacks of before', () => {
  const told: string[] = [];
  const write = jest.spyOn(process.stderr, 'write').mockImplementation((text) => told.push(String(text)) > 0);
  const stateDir = path.dirname(directory);
  const passphraseFile = path.join(stateDir, 'passphrase');
  const settings = {
    stateDir,
    pulumi: { backendUrl: `file://${stateDir}/pulumi`, passphraseFile },
    childEnvironment: {},
    cloud: { region: '' },
  } as unknown as Settings;
  try {
    cliEnvironment(settings);
    rmSync(passphraseFile);
    cliEnvironment(settings);
    expect(told).toEqual([]);
    const stacks = path.join(stateDir, 'pulumi/.pulumi/stacks/gitlab-spot');
    mkdirSync(stacks, { recursive: true });
    writeFileSync(path.join(stacks, 'job-1.json'), '{}');
    rmSync(passphraseFile);
    cliEnvironment(settings);
    cliEnvironment(settings);
    expect(told).toEqual([
      `The passphrase file ${passphraseFile} was gone and is made anew: stacks of before can still be destroyed, but not read\n`,
    ]);
  } finally {
    write.mockRestore();
  }
});
