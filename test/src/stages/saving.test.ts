import { spawnSync } from 'node:child_process';
import { savedBy, saveScript, Saving } from '../../../src/stages/saving';
import type { StageOutcome } from '../../../src/ssh/types';
import { keptLog } from '../../support/fakes';

const NOW = Date.parse('2026-11-24T12:00:00Z');

describe('what was written is uploaded in the time that is left', () => {
  test.each([
    ['five minutes', 300, 270],
    ['a minute', 60, 30],
    ['a short notice leaves a little all the same', 20, 5],
    ['any moment now', -3, 5],
  ])('%s', (_what, left, seconds) => expect(savedBy(NOW + left * 1000, NOW)).toBe(NOW + seconds * 1000));
});

describe('the script that saves', () => {
  const run = (command: string, variables = {}) =>
    spawnSync('sh', ['-s'], {
      input: saveScript(command, { CI_PROJECT_DIR: '/', UID: '7', 'bad-name': '1', ...variables }),
      encoding: 'utf8',
    });

  test('runs in the checkout, with the job’s variables and an empty standard input', () => {
    const { stdout, stderr, status } = run('pwd; cat; echo "$ODD"; exit 7', { ODD: `a 'b' "$c"\nd` });
    expect({ stdout, stderr, status }).toEqual({ stdout: `/\na 'b' "$c"\nd\n`, stderr: '', status: 7 });
  });

  test('does not run elsewhere', () => {
    const { stdout, status } = run('echo saved', { CI_PROJECT_DIR: '/no/such/folder' });
    expect(stdout).toBe('');
    expect(status).not.toBe(0);
  });
});

/** A save that is under way; `ends` ends it, `time` is up. */
function saving() {
  const log = keptLog();
  const cancel = new AbortController();
  const signals: AbortSignal[] = [];
  let ends: (outcome: StageOutcome | Error) => void = () => {};
  let timeIsUp: () => void = () => {};
  const pauses: number[] = [];
  const under = new Saving({
    log,
    now: () => NOW,
    cancelled: cancel.signal,
    pause: (ms) => {
      pauses.push(ms);
      return new Promise<void>((resolve) => (timeIsUp = resolve));
    },
    run: (signal) => {
      signals.push(signal);
      return new Promise((resolve, reject) => {
        ends = (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome));
        signal.addEventListener('abort', () => resolve({ kind: 'cancelled' }));
      });
    },
  });
  return {
    under,
    log,
    cancel,
    signals,
    pauses,
    ends: (outcome: StageOutcome | Error) => ends(outcome),
    time: () => timeIsUp(),
  };
}

describe('a save', () => {
  test('is run once, and the script goes on until its time is up', async () => {
    const { under, log, signals, pauses, ends, time } = saving();
    under.begin(NOW + 60_000, { save: true });
    under.begin(NOW + 60_000, { save: true });
    expect(signals).toHaveLength(1);
    expect(pauses[0]).toBe(30_000);
    ends({ kind: 'exited', exitCode: 0 });
    await new Promise(setImmediate);
    expect(under.scriptEnd.aborted).toBe(false);
    time();
    await new Promise(setImmediate);
    expect(under.scriptEnd.aborted).toBe(true);
    expect(log.lines).toEqual(['Running SPOT_ON_INTERRUPTION (limit 30.0 s)', 'SPOT_ON_INTERRUPTION has ended']);
  });

  test('that does not end is stopped', async () => {
    const { under, log, time } = saving();
    under.begin(NOW + 60_000, { save: true });
    time();
    await under.over();
    expect(log.lines.at(-1)).toBe('WARNING: SPOT_ON_INTERRUPTION did not end in time and was stopped');
  });

  test('is waited for where the script ends before it', async () => {
    const { under, ends } = saving();
    under.begin(NOW + 60_000, { save: true });
    const over = jest.fn();
    const waits = under.over().then(over);
    await new Promise(setImmediate);
    expect(over).not.toHaveBeenCalled();
    ends({ kind: 'exited', exitCode: 0 });
    await waits;
  });

  test.each<[string, StageOutcome | Error, string]>([
    ['fails', { kind: 'exited', exitCode: 3 }, 'WARNING: SPOT_ON_INTERRUPTION failed with exit status 3'],
    ['can’t be run', new Error('gone'), 'WARNING: SPOT_ON_INTERRUPTION could not be run to its end: gone'],
  ])('that %s is told, and no more', async (_what, end, line) => {
    const { under, log, ends } = saving();
    under.begin(NOW + 60_000, { save: true });
    ends(end);
    await under.over();
    expect(log.lines.at(-1)).toBe(line);
  });

  test('ends with a job that is cancelled', async () => {
    const { under, log, cancel } = saving();
    under.begin(NOW + 60_000, { save: true });
    cancel.abort();
    await under.over();
    expect(log.lines).toHaveLength(1);
  });

  test('is not run for what was noticed before the script began; the script ends in time all the same', async () => {
    const { under, signals, time } = saving();
    under.begin(NOW + 60_000, { save: false });
    time();
    await new Promise(setImmediate);
    expect(signals).toEqual([]);
    expect(under.scriptEnd.aborted).toBe(true);
  });
});
