import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import type { CloudInstance } from '../../../src/cloud/types';
import type { HookContext } from '../../../src/gitlab/contract';
import { createJobLog } from '../../../src/gitlab/job-log';
import { HostError } from '../../../src/errors';
import { beginUp, failUp } from '../../../src/engine/up-marker';
import { RecordStore } from '../../../src/jobs/record-store';
import { stageOf } from '../../../src/jobs/stage-of';
import { runStage } from '../../../src/stages/run-stage';
import { HostKeyMismatch, InstanceUnreachable, StageBroken } from '../../../src/ssh/errors';
import type { StageOutcome } from '../../../src/ssh/types';
import { instanceFacts, preparingRecord } from '../../support/job-record';

let directory: string;
beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'run-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const seconds = (count: number): number => Date.parse('2026-11-24T12:10:00Z') + count * 1000;

/** Whether the last loss counts as the cloud's own word. */
let confirmed: boolean | undefined;

interface Silence {
  /** Seconds of the stage, which began at 0 after another one had ended at -2. */
  readonly heard?: number;
  readonly announced?: number;
  /** When the cloud was asked and what it said. */
  readonly asked?: readonly (readonly [at: number, status: CloudInstance['status'] | 'gone'])[];
  readonly noticed: number;
}

/**
 * A stage whose instance falls silent. Resolves with the second at which it went, as the record has
 * it.
 */
async function goneAt({ heard, announced, asked = [], noticed }: Silence): Promise<number> {
  const store = new RecordStore(directory);
  const record = preparingRecord();
  store.write({
    ...record,
    phase: 'running',
    instance: instanceFacts,
    heartbeatAt: new Date(seconds(-2)).toISOString(),
  });
  await writeFile(store.files(record.identity.stackName).privateKey, '', { mode: 0o600 });
  let nowMs = seconds(0);
  const answers = [...asked];
  const describeInstance = () => {
    const [at, status] = answers.shift()!;
    nowMs = seconds(at);
    return Promise.resolve(status === 'gone' ? undefined : ({ status, recycling: false } as CloudInstance));
  };
  const output = new PassThrough();
  const project = { id: record.projectId, path: record.project };
  const job = { serverUrl: record.serverUrl, project, jobId: 1001, attempt: 1, files: {}, exitCodes: {} };
  const ended = runStage(
    { job } as unknown as HookContext,
    { scriptFile: '/dev/null', stage: 'build_script' },
    {
      settings: { limits: { reconnectMs: 30_000 }, metadataUrl: '' } as never,
      store,
      stages: {
        async run({ onInterruption, isLost }) {
          if (announced !== undefined) onInterruption!(new Date(seconds(announced)).toISOString());
          while (answers.length > 0) await isLost();
          nowMs = seconds(noticed);
          throw new InstanceUnreachable('silent', {}, heard === undefined ? undefined : seconds(heard));
        },
      },
      interpreter: 'sh',
      loadLookup: () => Promise.resolve({ describeInstance, rememberLoss: () => Promise.resolve() }),
      log: createJobLog(output),
      output,
      now: () => nowMs,
      signal: new AbortController().signal,
    },
  );
  await expect(ended).rejects.toThrow(/i-1/);
  const lost = store.read(record.identity.stackName);
  if (lost?.phase === 'lost') confirmed = lost.loss.confirmed;
  return lost?.phase === 'lost' ? (Date.parse(lost.loss.at) - seconds(0)) / 1000 : NaN;
}

describe('a loss', () => {
  test.each<[string, Silence, boolean]>([
    ['that the cloud speaks of', { asked: [[5, 'gone']], noticed: 5 }, true],
    ['of an instance that is gone as it had announced', { announced: 60, asked: [[66, 'gone']], noticed: 66 }, true],
    ['that the instance alone speaks of', { announced: 60, asked: [[66, 'Running']], noticed: 66 }, false],
    [
      'of an instance that had an interruption to tell of and then stopped itself',
      { announced: 60, asked: [[66, 'Stopped']], noticed: 66 },
      false,
    ],
    ['of an instance that is only silent', { asked: [[66, 'Running']], noticed: 66 }, false],
  ])('%s', async (_which, silence, isConfirmed) => {
    await goneAt(silence);
    expect(confirmed).toBe(isConfirmed);
  });
});

test('a stage that takes longer than a second stands in the record while it runs', async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] });
  try {
    const seen: string[] = [];
    const store = new RecordStore(directory);
    await endsAfterNotice({
      ends: { kind: 'exited', exitCode: 0 },
      noticed: false,
      during() {
        const look = () => seen.push(stageOf(store.read(preparingRecord().identity.stackName)!));
        for (const ms of [999, 1]) {
          jest.advanceTimersByTime(ms);
          look();
        }
      },
    });
    expect([...seen, stageOf(store.read(preparingRecord().identity.stackName)!)]).toEqual(['', 'build_script', '']);
  } finally {
    jest.useRealTimers();
  }
});

interface Interrupted {
  /** What the stage's end says. */
  readonly ends: StageOutcome | StageBroken | HostKeyMismatch;
  readonly noticed?: boolean;
  /** What the cloud says then; an error can't be asked. */
  readonly says?: CloudInstance['status'] | 'gone' | Error;
  /** The cloud says that it takes the instance back. */
  readonly recycling?: boolean;
  readonly stage?: string;
  readonly cutShort?: boolean;
  /** Called while the stage runs. */
  readonly during?: () => void;
  readonly outOfMemory?: boolean;
  /** The `up` that prepare left failed with this. */
  readonly upFailed?: string;
  /** The script was there before. */
  readonly scriptRan?: boolean;
}

/** A stage that ends after a notice. Resolves with what the job sees and the record says. */
async function endsAfterNotice(given: Interrupted) {
  const { ends, noticed = true, says = 'Running', stage = 'build_script', cutShort, during, outOfMemory } = given;
  const { upFailed, scriptRan, recycling = true } = given;
  const store = new RecordStore(directory);
  const record = preparingRecord();
  store.write({
    ...record,
    phase: 'running',
    instance: instanceFacts,
    jobKey: 'key',
    ...(cutShort ? { cutShort: { confirmed: true } } : {}),
    stages: scriptRan ? [{ stage: 'step_script', startedAt: '2026-11-24T12:09:00Z', durationMs: 1, exitCode: 0 }] : [],
  });
  if (upFailed !== undefined) {
    const { engine } = store.files(record.identity.stackName);
    beginUp(engine, process.pid);
    failUp(engine, upFailed);
  }
  await writeFile(store.files(record.identity.stackName).privateKey, '', { mode: 0o600 });
  const losses: string[] = [];
  const output = new PassThrough();
  const ended = runStage(
    {
      job: {
        ...record,
        project: { id: record.projectId },
        jobId: 1001,
        attempt: 1,
        files: {},
        exitCodes: { buildFailure: 1 },
      },
    } as unknown as HookContext,
    { scriptFile: '/dev/null', stage },
    {
      settings: { limits: { reconnectMs: 30_000 }, metadataUrl: '' } as never,
      store,
      stages: {
        run({ onInterruption, onOutOfMemory }) {
          during?.();
          if (outOfMemory) onOutOfMemory!();
          if (noticed) onInterruption!(new Date(seconds(60)).toISOString());
          return ends instanceof Error ? Promise.reject(ends) : Promise.resolve(ends);
        },
      },
      interpreter: 'sh',
      loadLookup: () =>
        Promise.resolve({
          describeInstance: () =>
            says instanceof Error
              ? Promise.reject(says)
              : Promise.resolve(says === 'gone' ? undefined : ({ status: says, recycling } as CloudInstance)),
          rememberLoss: (_key, _pool, { reason }) => Promise.resolve(void losses.push(reason)),
        }),
      log: createJobLog(output),
      output,
      now: () => seconds(0),
      signal: new AbortController().signal,
    },
  );
  const seen = await ended.then(
    (exitCode) => ({ exitCode, warnings: String(output.read() ?? '') }),
    (error: Error & { code?: string }) => ({ error: error.message, told: error.code !== undefined }),
  );
  const { phase, ...after } = store.read(record.identity.stackName)!;
  return { ...seen, phase, cutShort: 'cutShort' in after ? after.cutShort : undefined, losses };
}

const TAKEN =
  'The cloud took the spot instance i-1 back. GitLab runs the job again with `retry: when: runner_system_failure`.';

describe('an `up` that failed after prepare had left it', () => {
  const given = { ends: { kind: 'exited', exitCode: 0 }, noticed: false, upFailed: 'it was killed' } as const;
  const sentence = "The job's stack could not be finished after its instance was ready: it was killed";

  test.each(['Running', new Error('Throttling')] as const)(
    'ends the job in one sentence before its script',
    async (says) => {
      let began = false;
      const stage = { stage: 'get_sources', says, recycling: false, during: () => (began = true) } as const;
      const seen = await endsAfterNotice({ ...given, ...stage });
      expect(seen).toMatchObject({ error: sentence, phase: 'running', losses: [] });
      expect(began).toBe(false);
    },
  );

  test.each(['Running', 'Stopping', 'gone'] as const)(
    'is not the reason where the cloud takes the instance (%s) back: the stage finds out',
    async (says) => {
      let began = false;
      await endsAfterNotice({ ...given, stage: 'get_sources', says, during: () => (began = true) });
      expect(began).toBe(true);
    },
  );

  test('does not take away what a script has made', async () => {
    const seen = await endsAfterNotice({ ...given, stage: 'upload_artifacts_on_success', scriptRan: true });
    expect(seen).toMatchObject({ exitCode: 0, warnings: expect.stringContaining(sentence) });
  });
});

describe('once a notice was seen', () => {
  const killed: StageOutcome = { kind: 'signaled', signal: 'SIGKILL', exitCode: 137 };
  const failed: StageOutcome = { kind: 'exited', exitCode: 1 };
  const broken = new StageBroken('the supervisor of the stage was killed on the instance at 10.0.0.1:22');
  const other = new HostKeyMismatch('10.0.0.1:22 offers the host key SHA256:x, which is not the one made for it');

  test.each<[string, Partial<Interrupted>, Partial<Awaited<ReturnType<typeof endsAfterNotice>>>]>([
    ['after a notice', {}, { losses: ['interrupted'] }],
    ['where the cloud knows the instance no more', { noticed: false, says: 'gone' }, { phase: 'lost' }],
    ['while the instance runs', { noticed: false, recycling: false }, { error: other.message, losses: [] }],
  ])('another machine at its address %s', async (_what, given, expected) => {
    expect(await endsAfterNotice({ ends: other, ...given })).toMatchObject(expected);
  });

  test.each<[string, Interrupted]>([
    ['a signal', { ends: killed }],
    ['an exit code of the script’s own', { ends: failed }],
    ['the end that its save needs', { ends: { kind: 'cancelled' } }],
    ['a signal, where the cloud can’t be asked', { ends: killed, says: new Error('Throttling') }],
  ])('%s is the interruption, and what is on the instance may still be uploaded', async (_what, given) => {
    expect(await endsAfterNotice(given)).toEqual({
      error: TAKEN,
      told: true,
      phase: 'running',
      cutShort: { confirmed: !(given.says instanceof Error) },
      losses: ['interrupted'],
    });
  });

  test.each<[string, Interrupted]>([
    ['that stops', { ends: killed, says: 'Stopping' }],
    ['that is gone', { ends: failed, says: 'gone' }],
    ['whose supervisor was killed', { ends: broken }],
  ])('an instance %s is lost to the later stages', async (_what, given) => {
    expect(await endsAfterNotice(given)).toEqual({
      error: TAKEN,
      told: true,
      phase: 'lost',
      cutShort: undefined,
      losses: ['interrupted'],
    });
  });

  test('without one, a supervisor that was killed is told as that', async () => {
    expect(await endsAfterNotice({ ends: broken, noticed: false })).toMatchObject({
      error: broken.message,
      phase: 'running',
      losses: [],
    });
  });

  test.each<[string, Interrupted, number]>([
    ['a script that reached its end', { ends: { kind: 'exited', exitCode: 0 } }, 0],
    ['a stage after the script, whose end was told', { ends: failed, stage: 'after_script', cutShort: true }, 1],
    ['without a notice, a script’s own exit code', { ends: failed, noticed: false }, 1],
  ])('%s stands as it is', async (_what, given, exitCode) => {
    expect(await endsAfterNotice(given)).toMatchObject({ exitCode, phase: 'running', losses: [] });
  });
});

describe('where the record can’t be written at a stage’s end', () => {
  afterEach(() => jest.restoreAllMocks());
  const during = (): void =>
    void jest.spyOn(RecordStore.prototype, 'write').mockImplementation(() => {
      throw new HostError('The job’s record can’t be written (ENOSPC)');
    });

  test.each<[string, Interrupted['ends'], object]>([
    ['a script that has done its work has done it', { kind: 'exited', exitCode: 0 }, { exitCode: 0 }],
    ['a script has failed by itself', { kind: 'exited', exitCode: 7 }, { exitCode: 1 }],
    ['an instance that broke is told as that', new StageBroken('its disk is full'), { error: 'its disk is full' }],
  ])('%s', async (_what, ends, expected) => {
    expect(await endsAfterNotice({ ends, noticed: false, during })).toMatchObject(expected);
  });
});

describe('what killed a script is told where it is known', () => {
  const ends: StageOutcome = { kind: 'signaled', signal: 'SIGKILL', exitCode: 137 };
  test.each<[string, boolean, RegExp]>([
    [
      'lack of memory',
      true,
      /^WARNING: The instance ran out of memory .*more memory\nWARNING: The script was killed \(SIGKILL\)\n$/,
    ],
    ['nothing but the signal', false, /^WARNING: The script was killed \(SIGKILL\)\n$/],
  ])('%s', async (_what, outOfMemory, log) => {
    const { warnings } = (await endsAfterNotice({ ends, noticed: false, outOfMemory })) as { warnings: string };
    expect(warnings.replace(/\x1b\[[\d;]*m/g, '')).toMatch(log);
  });
});

describe('an instance that fell silent went', () => {
  test.each<[string, Silence, number]>([
    ['when the cloud had announced it', { heard: 58, announced: 60, asked: [[66, 'gone']], noticed: 66 }, 60],
    ['a moment after its last sign of life', { heard: 58, asked: [[66, 'gone']], noticed: 66 }, 59.5],
    ['when it was noticed, where that was at once', { heard: 58, asked: [[58.5, 'gone']], noticed: 58.5 }, 58.5],
    [
      'after the cloud last had it',
      {
        heard: 58,
        asked: [
          [66, 'Running'],
          [69, 'gone'],
        ],
        noticed: 69,
      },
      67.5,
    ],
    [
      'later than announced, where it still lived then',
      { heard: 58, announced: 50, asked: [[66, 'gone']], noticed: 66 },
      59.5,
    ],
    ['after the stage before, where this one never heard of it', { asked: [[5, 'gone']], noticed: 5 }, -0.5],
  ])('%s', async (_when, silence, at) => {
    expect(await goneAt(silence)).toBe(at);
  });
});
