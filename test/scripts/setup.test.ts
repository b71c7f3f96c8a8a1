import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'setup-test-'));
  mkdirSync(path.join(root, 'bin'));
  mkdirSync(path.join(root, 'node_modules'));
  mkdirSync(path.join(root, 'dist'));
  mkdirSync(path.join(root, 'scripts'));
  cpSync(path.resolve(__dirname, '../../scripts/setup.mjs'), path.join(root, 'scripts/setup.mjs'));
  writeFileSync(path.join(root, 'scripts/build.mjs'), '');
  writeFileSync(path.join(root, 'package-lock.json'), '{}');
  // An npm that tells its process and stays until the file `go` is there, or the test is over.
  const npm = `#!/bin/sh\necho $$ >'${root}/npm-pid.new'; mv '${root}/npm-pid.new' '${root}/npm-pid'\nwhile [ -d '${root}' ] && [ ! -e '${root}/go' ]; do sleep 0.05; done\n`;
  writeFileSync(path.join(root, 'bin/npm'), npm, { mode: 0o755 });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function setUp(more: Record<string, string> = {}) {
  const child = spawn(process.execPath, [path.join(root, 'scripts/setup.mjs')], {
    env: { ...process.env, ...more, PATH: `${path.join(root, 'bin')}:${process.env.PATH}` },
  });
  let said = '';
  const listeners = new Set<() => void>();
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    listeners.forEach((listener) => listener());
  });
  const ended = new Promise<{ code: number | null; said: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, said })),
  );
  const says = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (said.includes(text)) resolve();
      };
      listeners.add(check);
      check();
    });
  return { child, ended, says };
}

async function npmRuns(): Promise<number> {
  while (!existsSync(path.join(root, 'npm-pid'))) await new Promise((resolve) => setTimeout(resolve, 20));
  return Number(readFileSync(path.join(root, 'npm-pid'), 'utf8'));
}

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  'set-up that gets %s ends what it has started, and the next one begins anew',
  async (signal) => {
    const first = setUp();
    const npm = await npmRuns();
    first.child.kill(signal);
    expect((await first.ended).code).toBeGreaterThan(128);
    expect(() => process.kill(npm, 0)).toThrow('ESRCH');
    writeFileSync(path.join(root, 'go'), '');
    await expect(setUp().ended).resolves.toMatchObject({ code: 0 });
  },
);

test('set-up that gets a signal at the moment at which it starts something ends that', async () => {
  // Sent to itself, a signal without a handler acts at once.
  writeFileSync(
    path.join(root, 'signal.cjs'),
    `const fs = require('node:fs');
const { writeFileSync } = fs;
fs.writeFileSync = (file, ...rest) => {
  if (String(file).endsWith('/step')) process.kill(process.pid, 'SIGTERM');
  return writeFileSync(file, ...rest);
};
require('node:module').syncBuiltinESMExports();
`,
  );
  const { child, says } = setUp({ NODE_OPTIONS: `--require ${path.join(root, 'signal.cjs')}` });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await says('installing dependencies');
  expect(await exit).toBe(143);
});

test('a second set-up says that it waits for the first, and has nothing to do then', async () => {
  const first = setUp();
  await npmRuns();
  const second = setUp();
  await second.says('waiting for another set-up');
  writeFileSync(path.join(root, 'go'), '');
  await expect(first.ended).resolves.toMatchObject({ code: 0 });
  await expect(second.ended).resolves.toEqual({
    code: 0,
    said: 'setup: waiting for another set-up of this folder (10 minutes at most)\n',
  });
});

test('what a set-up has just started is waited for, also where it was killed in that moment', async () => {
  const killed = `const processes = require('node:child_process');
const { spawn } = processes;
processes.spawn = (...of) => {
  spawn(...of);
  process.kill(process.pid, 'SIGKILL');
};
require('node:module').syncBuiltinESMExports();
`;
  writeFileSync(path.join(root, 'killed.cjs'), killed);
  const first = setUp({ NODE_OPTIONS: `--require ${path.join(root, 'killed.cjs')}` });
  await new Promise((resolve) => first.child.once('exit', resolve));
  const second = setUp();
  await second.says('waiting for another set-up');
  writeFileSync(path.join(root, 'go'), '');
  await expect(second.ended).resolves.toMatchObject({ code: 0 });
});

test('what a set-up that was killed left running is waited for', async () => {
  const first = setUp();
  await npmRuns();
  // Its npm holds its output open.
  const gone = new Promise((resolve) => first.child.once('exit', resolve));
  first.child.kill('SIGKILL');
  await gone;
  const second = setUp();
  await second.says('waiting for another set-up');
  writeFileSync(path.join(root, 'go'), '');
  await expect(second.ended).resolves.toMatchObject({ code: 0 });
});
