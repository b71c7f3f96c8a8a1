import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { lastingPackage } from '../../../src/host/installed-as';

describe('the package’s folder in config.toml', () => {
  let directory: string;
  let version: string;
  let name: string;
  beforeEach(() => {
    directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'installed-as-')));
    version = path.join(directory, 'releases/0.2.0-abc');
    name = path.join(directory, 'gitlab-spot');
    mkdirSync(version, { recursive: true });
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('is the name that the next version gets, too', () => {
    writeFileSync(path.join(version, '.installed-as'), `${name}\n`);
    symlinkSync('releases/0.2.0-abc', name);
    expect(lastingPackage(version)).toBe(name);
  });

  it.each([
    ['a clone has no such name', false],
    ['the name belongs to another version by now', true],
  ])('is the folder itself where %s', (_title, named) => {
    if (named) {
      writeFileSync(path.join(version, '.installed-as'), name);
      mkdirSync(name);
    }
    expect(lastingPackage(version)).toBe(version);
  });
});
