import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readEndedJob } from '../../../src/gitlab/contract';
import { jobEnv, jobFacts, ownFields } from '../../support/job-env';
import { RecordStore } from '../../../src/jobs/record-store';
import { markForDestroy } from '../../../src/teardown/clean-up';
import { configure } from '../../../src/prepare/configure';
import { readSettings } from '../../../src/settings/settings';
import { instanceFacts, preparingRecord } from '../../support/job-record';

let store: RecordStore;
beforeEach(() => (store = new RecordStore(mkdtempSync(path.join(os.tmpdir(), 'clean-up-')))));
afterEach(() => rmSync(store.stateDir, { recursive: true, force: true }));

const NOW = Date.parse('2026-11-24T12:08:00Z');
const settings = (more: Record<string, string> = {}) =>
  readSettings({ GITLAB_SPOT_ENV_FILE: '', GITLAB_SPOT_STATE_DIR: store.stateDir, ...more }, { cloud: false });
const intent = (status?: string, variables: Record<string, string> = jobEnv()) =>
  markForDestroy(readEndedJob(variables)!, { settings: settings(), store, now: () => NOW, status });
const name = 'job-gitlab.example.com-1001-1';

describe('cleanup', () => {
  test.each([
    ['success', 'success'],
    ['canceled', 'canceled'],
    ['failed', 'failed'],
  ])('of a running job that GitLab calls %s records %s', (status, result) => {
    store.write({ ...preparingRecord(), phase: 'running', instance: instanceFacts });
    expect(intent(status)).toEqual([name]);
    expect(store.read(name)).toMatchObject({ phase: 'destroying', result, instance: { instanceId: 'i-1' }, tries: 0 });
  });

  // The runner says `running` of a job that ends before its script, however it ends.
  const startedAt = '2026-11-24T12:07:00Z';
  const stage = (exitCode: number | undefined) => ({ stage: 'get_sources', startedAt, durationMs: 9, exitCode });
  const preparing = { ...preparingRecord(), releaseAt: '2026-11-24T13:30:00Z' };
  const running = { ...preparingRecord(), phase: 'running', instance: instanceFacts } as const;
  test.each([
    ['a prepare that was told to end', { ...preparing, cutOff: true }, 'canceled'],
    [
      'a prepare that was told to end when its time was over',
      { ...preparing, cutOff: true, timeoutMs: 1 },
      'system-failure',
    ],
    ['a prepare that failed by itself', preparing, 'system-failure'],
    ['a job before its first stage', running, 'canceled'],
    ['a job after a stage that went well', { ...running, stages: [stage(1), stage(0)] }, 'canceled'],
    ['a job within a stage', { ...running, stages: [stage(undefined)] }, 'canceled'],
    ['a stage that failed', { ...running, stages: [stage(1)] }, 'failed'],
    ['a stage when the time was over', { ...running, stages: [stage(undefined)], timeoutMs: 1 }, 'failed'],
  ])('of %s, before the script began, knows its result', (_title, record, result) => {
    store.write(record);
    intent('running');
    expect(store.read(name)).toMatchObject({ phase: 'destroying', result });
  });

  test('in the middle of prepare keeps the instance that was seen, for its bill', () => {
    store.write({ ...preparingRecord(), releaseAt: '2026-11-24T13:30:00Z', launched: instanceFacts });
    intent('failed');
    expect(store.read(name)).toMatchObject({
      phase: 'destroying',
      result: 'system-failure',
      instance: { instanceId: 'i-1' },
    });
  });

  test.each([
    ['failed', 1_800_000, '2026-11-24T12:38:00.000Z'],
    ['failed', 0, undefined],
    ['success', 1_800_000, undefined],
    ['canceled', 1_800_000, undefined],
  ])('of a job that is %s and may keep its instance for %d ms lets it stay until %s', (status, keepMs, until) => {
    store.write({ ...preparingRecord(), keepMs, phase: 'running', instance: instanceFacts });
    intent(status);
    expect(store.read(name)).toMatchObject(until ? { notBefore: until } : { phase: 'destroying' });
    expect((store.read(name) as { notBefore?: string }).notBefore).toBe(until);
  });

  test('without a record takes the user’s name for the job’s own word', () => {
    intent('failed', { ...jobEnv(), CUSTOM_ENV_GITLAB_USER_LOGIN: 'somebody' });
    expect(store.read(name)).toMatchObject({
      userLogin: expect.stringMatching(/^somebody \((user \d+|unverified)\)$/),
    });
  });

  test('of a prepare that never asked the cloud has nothing to destroy', () => {
    store.write(preparingRecord());
    expect(intent('failed')).toEqual([]);
    expect(store.list()).toEqual([]);
  });

  test('on an empty disk still knows what to destroy', () => {
    expect(intent('failed')).toEqual([name]);
    expect(store.read(name)).toMatchObject({ phase: 'destroying', identity: { stackName: name } });
  });

  test('goes on where the record is damaged', () => {
    store.write(preparingRecord());
    writeFileSync(store.files(name).record, 'rubbish');
    intent('failed');
    expect(store.read(name)?.phase).toBe('destroying');
  });

  test('twice is as good as once', () => {
    store.write({ ...preparingRecord(), phase: 'running', instance: instanceFacts });
    intent('success');
    const first = store.read(name);
    intent('failed');
    expect(store.read(name)).toEqual(first);
  });

  test('does nothing when config itself failed', () => {
    const file = path.join(store.stateDir, 'response.json');
    writeFileSync(file, JSON.stringify(ownFields()));
    expect(intent('failed', { JOB_RESPONSE_FILE: file })).toEqual([]);
    expect(store.list()).toEqual([]);
  });
});

test.each([
  ['nothing', {}],
  ['a job response that is gone', { JOB_RESPONSE_FILE: '/nowhere/response.json' }],
  [
    'the author’s own variables',
    { CUSTOM_ENV_CI_JOB_ID: '1001', CUSTOM_ENV_CI_SERVER_URL: 'https://gitlab.example.com' },
  ],
  ['what is no JSON', { GITLAB_SPOT_JOB: '{' }],
])('cleanup that is given %s knows no job', (_title, variables) => {
  expect(readEndedJob(variables)).toBeUndefined();
});

describe('config', () => {
  test('tells where the job will live, and counts the attempts', () => {
    const answer = () => configure(jobFacts(), settings({ GITLAB_SPOT_BUILDS_DIR: '/builds/{job}' }), NOW);
    expect(answer()).toMatchObject({
      builds_dir: `/builds/${name}`,
      cache_dir: '/cache',
      builds_dir_is_shared: false,
      driver: { name: 'gitlab-spot' },
      job_env: { GITLAB_SPOT_ATTEMPT: '1' },
    });
    const queue = path.join(store.stateDir, 'slots', 'up');
    expect(answer().job_env).toEqual({
      GITLAB_SPOT_ATTEMPT: '2',
      GITLAB_SPOT_JOB: JSON.stringify(jobFacts()),
      GITLAB_SPOT_UP_QUEUE: queue,
      GITLAB_SPOT_UP_SLOTS: '4',
      NODE_COMPILE_CACHE: path.join(store.stateDir, 'node-cache'),
    });
    expect(existsSync(queue)).toBe(true);
  });
});
