import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildSync, stop } from 'esbuild';

const ROOT = path.resolve(__dirname, '../../..');
/** All that a hook's settings need. */
const SETTINGS = {
  GITLAB_SPOT_ENV_FILE: '',
  ALICLOUD_REGION: 'cn-hangzhou',
  ALICLOUD_ACCESS_KEY: 'key',
  ALICLOUD_SECRET_KEY: 'secret',
  GITLAB_SPOT_VPC_ID: 'vpc-1',
  // No folder can be made there, by root neither.
  GITLAB_SPOT_STATE_DIR: '/dev/null/state',
};
const BYTES = 1_000_000;

let directory: string;
let hook: ChildProcess | undefined;
beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-hook-'))));
afterEach(() => {
  hook?.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

afterAll(() => stop());

/** Starts a hook with this body. */
function start(body: string) {
  const program = path.join(directory, 'hook.js');
  buildSync({
    stdin: { contents: `import { runHook } from './src/hooks/run-hook'; void runHook(${body});`, resolveDir: ROOT },
    outfile: program,
    bundle: true,
    platform: 'node',
    target: 'node20',
  });
  const child = spawn(process.execPath, [program], { env: SETTINGS, stdio: ['ignore', 'pipe', 'pipe'] });
  hook = child;
  return child;
}

/** A hook that is read from only after a while. */
async function readLate(body: string): Promise<{ code: number | null; stdout: number; stderr: string }> {
  const child = start(body);
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  let stdout = 0;
  let stderr = '';
  await new Promise((resolve) => setTimeout(resolve, 500));
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.length));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await closed;
  return { code, stdout, stderr };
}

describe('a hook whose runner reads late', () => {
  test('ends when all of its output has been taken, with the exit code of its body', async () => {
    const body = `async () => { process.stdout.write(Buffer.alloc(${BYTES})); return 7; }`;
    expect(await readLate(body)).toEqual({ code: 7, stdout: BYTES, stderr: '' });
  });

  test('and when it fails: the output comes whole all the same', async () => {
    const body = `async () => { process.stdout.write(Buffer.alloc(${BYTES})); throw new Error('a failure'); }`;
    const { code, stdout, stderr } = await readLate(body);
    expect({ code, stdout }).toEqual({ code: 2, stdout: BYTES });
    expect(stderr).toMatch(/a failure/);
  });
});

test('a hook whose runner has died is told to end, even where exceptions are logged instead of ending the process', async () => {
  // As the Automation API's server does while a program of its own is up.
  const child = start(`async ({ signal }) => {
    process.on('uncaughtException', (error) => console.error(error));
    const lines = setInterval(() => console.log('a line'), 20);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    clearInterval(lines);
    signal.throwIfAborted();
  }`);
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.stdout.destroy();
  child.stderr.destroy();
  expect(await ended).toBe(2);
}, 20_000);

describe('what nobody catches', () => {
  test.each([
    ['thrown by a listener', 'setTimeout(() => { throw new Error("gone wrong"); }, 1)'],
    ['a promise that nobody waits for', 'void Promise.reject(new Error("gone wrong"))'],
  ])('%s ends the hook as a system failure, in one sentence', async (_what, code) => {
    const child = start(`() => new Promise(() => { setInterval(() => {}, 1000); ${code}; })`);
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(2);
    expect(stderr).toMatch(/ERROR: .*gone wrong/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  // Of Pulumi's program, whose engine has ended before it.
  test.each([
    ['was told to end', `process.emit('SIGTERM')`],
    ['has a program of Pulumi’s, which listens itself', `process.on('unhandledRejection', () => {})`],
  ])('a failed promise ends no hook that %s: what it started comes to rest first', async (_what, before) => {
    const child = start(`async () => {
      ${before};
      void Promise.reject(new Error('gone wrong'));
      await new Promise(setImmediate);
      throw new Error('all is at rest');
    }`);
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(2);
    expect(stderr).toMatch(/^[^\n]*ERROR: [^\n]*all is at rest[^\n]*\n$/);
  });
});
