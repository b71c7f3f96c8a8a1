import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'smol-toml';
import { readRunnerConfig } from '../../../sandbox/runner/config-file';
import { runnerConfiguration } from '../../../sandbox/runner/real-runner';
import { sectionsFor } from '../../../src/register/check-interval';
import { withCopies } from '../../../src/register/copies';

const hook = ['/hook'];
const options = {
  hooks: { config: hook, prepare: hook, run: hook, cleanup: hook },
  concurrency: 10,
  gitlabUrl: 'http://127.0.0.1:8668',
  token: 'glrt-sandbox',
  directory: '/tmp',
  gracefulKillSeconds: 30,
};

test('the real runner in the sandbox asks as often as one that register wrote', () => {
  const copied = withCopies(runnerConfiguration({ ...options, sections: 1 }), 'config.toml', {
    name: 'sandbox',
    sections: sectionsFor('200ms'),
  });
  expect(parse(runnerConfiguration(options))).toEqual(parse(copied));
});

describe('the stand-in runner', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(path.join(tmpdir(), 'runner-config-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  const read = (text: string) => {
    const file = path.join(folder, 'config.toml');
    writeFileSync(file, text);
    const { name, concurrency, checkEveryMs } = readRunnerConfig(file);
    return { name, concurrency, checkEveryMs };
  };
  const text = (sections: number) => runnerConfiguration({ ...options, sections });

  it('asks once in each check interval for each section of its token, and runs the jobs of one', () => {
    expect(read(text(1))).toEqual({ name: 'sandbox', concurrency: 10, checkEveryMs: 1000 });
    expect(read(text(5))).toEqual({ name: 'sandbox', concurrency: 10, checkEveryMs: 200 });
    expect(read(text(2).replace(/^check_interval.*$/m, ''))).toMatchObject({ checkEveryMs: 1500 });
    // Another runner's section.
    expect(read(text(2).replace(/glrt-sandbox(?![^]*glrt)/, 'glrt-other'))).toMatchObject({ checkEveryMs: 1000 });
  });
});
