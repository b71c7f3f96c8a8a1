import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildSync } from 'esbuild';

const ROOT = path.resolve(__dirname, '../../..');
const BYTES = 1_000_000;

/** A hook with this body, read from only after a while. */
async function readLate(body: string): Promise<{ code: number | null; stdout: number; stderr: string }> {
  const directory = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-hook-'));
  const program = path.join(directory, 'hook.js');
  buildSync({
    stdin: { contents: `import { runHook } from './src/lifecycle/hook'; void runHook(${body});`, resolveDir: ROOT },
    outfile: program,
    bundle: true,
    platform: 'node',
    target: 'node20',
  });
  const hook = spawn(process.execPath, [program], { env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = new Promise<number | null>((resolve) => hook.once('close', resolve));
  let stdout = 0;
  let stderr = '';
  await new Promise((resolve) => setTimeout(resolve, 500));
  hook.stdout.on('data', (chunk: Buffer) => (stdout += chunk.length));
  hook.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await closed;
  rmSync(directory, { recursive: true, force: true });
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
