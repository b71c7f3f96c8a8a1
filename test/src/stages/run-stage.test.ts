import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import type { CloudInstance } from '../../../src/cloud/types';
import type { HookContext } from '../../../src/gitlab/contract';
import { createJobLog } from '../../../src/gitlab/job-log';
import { RecordStore } from '../../../src/jobs/record-store';
import { runStage } from '../../../src/stages/run-stage';
import { InstanceUnreachable } from '../../../src/ssh/errors';
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

/** A stage whose instance falls silent. Resolves with the second at which it went, as the record has it. */
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
    { scriptFile: '/script', stage: 'build_script' },
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
