import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { JobRecord } from '../../../src/jobs/types';
import { askRetry } from '../../../src/teardown/ask-retry';
import { PlacementMemory } from '../../../src/placement';
import type { Settings } from '../../../src/settings/types';

const pool = { zoneId: 'h', vSwitchId: 'v', instanceType: 'ecs.c7.xlarge', market: 'spot' as const };
const record = {
  phase: 'destroying',
  identity: { stackName: 'job-gitlab.example.com-7-1', serverHost: 'gitlab.example.com', jobId: 7, attempt: 1 },
  serverUrl: 'https://gitlab.example.com',
  project: 'team/app',
  jobKey: 'gitlab.example.com 3 build',
  askRetry: true,
} as JobRecord;

let stateDir: string;
beforeEach(() => {
  stateDir = mkdtempSync(path.join(tmpdir(), 'ask-retry-'));
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

/** A GitLab whose job passes through these states, one for each question. */
async function ask(
  states: readonly string[],
  change: {
    token?: string | undefined;
    url?: string | undefined;
    retry?: boolean;
    askRetry?: boolean;
    reason?: string;
  } = {},
) {
  const calls: string[] = [];
  const log: string[] = [];
  let nowMs = 0;
  let asked = 0;
  const settings = {
    stateDir,
    cloud: { region: 'cn-hangzhou' },
    gitlab: {
      token: 'token' in change ? change.token : 'glpat',
      url: 'url' in change ? change.url : 'https://gitlab.example.com',
      retry: change.retry ?? true,
    },
  } as Settings;
  await askRetry({ ...record, askRetry: change.askRetry ?? true } as JobRecord, settings, {
    log: (line) => log.push(line),
    now: () => nowMs,
    pause: async (ms) => void (nowMs += ms),
    fetch: async (url, init) => {
      calls.push(`${init?.method} ${new URL(String(url)).pathname}`);
      if (init?.method === 'POST') return new Response('{}', { status: 201 });
      return new Response(
        JSON.stringify({ status: states[Math.min(asked++, states.length - 1)], failure_reason: change.reason }),
        { status: 200 },
      );
    },
  });
  return { calls, log, retried: calls.some((call) => call.startsWith('POST')) };
}

describe('a job whose spot instance was taken back', () => {
  test('is run again once GitLab takes it for failed', async () => {
    const { calls, log, retried } = await ask(['running', 'running', 'failed']);
    expect(retried).toBe(true);
    expect(calls.at(-1)).toBe('POST /api/v4/projects/team%2Fapp/jobs/7/retry');
    expect(log).toEqual(['job-gitlab.example.com-7-1: GitLab runs the job again, since its instance was taken back']);
  });

  // A runner that is told to end meanwhile reports the first, or the second to a GitLab that does
  // not know it; before 19.1 the third.
  test.each(['runner_interrupted', 'unknown_failure', 'runner_system_failure'])(
    'is run again where its runner reported %s',
    async (reason) => expect((await ask(['failed'], { reason })).retried).toBe(true),
  );

  test.each([
    ['its author forbade it, or it was not interrupted', ['failed'], { askRetry: false }],
    ['there is no token', ['failed'], { token: undefined }],
    ['nobody asked for it', ['failed'], { retry: false }],
    ['only the job names a GitLab', ['failed'], { url: undefined }],
    ['the token is another GitLab’s', ['failed'], { url: 'https://other.example' }],
    ['a person cancelled it', ['canceled'], {}],
    ['it never ends', ['running'], {}],
  ])('is left alone where %s', async (_title, states, change) => {
    expect((await ask(states, change)).retried).toBe(false);
  });

  test('is run again once, not a second time', async () => {
    const memory = new PlacementMemory(path.join(stateDir, 'placement', 'cn-hangzhou'), () => 0);
    await memory.rememberLoss(record.jobKey!, pool);
    expect((await ask(['failed'])).retried).toBe(true);
    await memory.rememberLoss(record.jobKey!, pool);
    expect((await ask(['failed'])).retried).toBe(false);
  });
});
