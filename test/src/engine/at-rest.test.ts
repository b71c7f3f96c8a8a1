import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bringToRest, type RestLimits } from '../../../src/engine/at-rest';
import { beginUp } from '../../../src/engine/up-marker';
import { writeMarker } from '../../../src/host/marker';
import { ownerMarker, ownerOf } from '../../../src/host/process-owner';

let directory: string;
const children: ChildProcess[] = [];
beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'at-rest-'))));
afterEach(() => {
  jest.restoreAllMocks();
  children.splice(0).forEach((child) => child.kill('SIGKILL'));
  rmSync(directory, { recursive: true, force: true });
});

/** Far beyond what a test takes: only what ends goes on. */
const PATIENT = 60_000;
const SOON = 20;
const limits = (change: Partial<RestLimits>): RestLimits => ({ upMs: PATIENT, cliMs: PATIENT, lookMs: 5, ...change });

/** A process that does nothing; a stubborn one is deaf to SIGTERM. */
async function sleeper({ stubborn = false } = {}): Promise<number> {
  const script = `${stubborn ? 'trap "" TERM; ' : ''}exec sleep 60`;
  const child = spawn('sh', ['-c', script], { detached: true, stdio: 'ignore' });
  children.push(child);
  // From then on its signals are as the script said.
  while (!readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').startsWith('sleep\0')) await sleep(5);
  return child.pid!;
}

/** The signals that whatever works there got until it was at rest. */
async function signals(change: Partial<RestLimits>, onWait = (): void => undefined): Promise<unknown[]> {
  const kill = jest.spyOn(process, 'kill');
  await bringToRest(directory, { log: onWait }, limits(change));
  return kill.mock.calls;
}

const cliIs = (pid: number): void => writeMarker(path.join(directory, 'cli.json'), ownerMarker, ownerOf(pid)!);

test('nothing works there: nothing is waited for', async () => {
  expect(await signals({})).toEqual([]);
});

test('an `up` that ends within its limit gets no signal', async () => {
  const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
  children.push(child);
  beginUp(directory, child.pid!);
  expect(await signals({}, () => child.stdin.end())).toEqual([]);
  expect(child.exitCode ?? (await once(child, 'exit'))[0]).toBe(0);
});

test('an `up` that does not end within its limit is told to', async () => {
  const up = await sleeper();
  beginUp(directory, up);
  expect(await signals({ upMs: SOON })).toEqual([[up, 'SIGTERM']]);
});

test('an `up` that does not end when it is told to is made to', async () => {
  const up = await sleeper({ stubborn: true });
  beginUp(directory, up);
  expect(await signals({ upMs: SOON, cliMs: SOON })).toEqual([
    [up, 'SIGTERM'],
    [up, 'SIGKILL'],
  ]);
});

test('the CLI of an `up` that is stuck ends before the `up` is made to', async () => {
  const [up, cli] = [await sleeper({ stubborn: true }), await sleeper({ stubborn: true })];
  beginUp(directory, up);
  cliIs(cli);
  expect(await signals({ upMs: SOON, cliMs: SOON })).toEqual([
    [up, 'SIGTERM'],
    [cli, 'SIGTERM'],
    [cli, 'SIGKILL'],
    [up, 'SIGKILL'],
  ]);
});

test('a CLI that ends when it is told to is not made to', async () => {
  const cli = await sleeper();
  cliIs(cli);
  expect(await signals({})).toEqual([[cli, 'SIGTERM']]);
});
