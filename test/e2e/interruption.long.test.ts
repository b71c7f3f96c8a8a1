import path from 'node:path';
import { Ledger } from '../../src/billing/ledger';
import type { LedgerEntry } from '../../src/billing/types';
import type { JobRecord } from '../../src/jobs/types';
import { startGitLabStub } from '../support/gitlab-stub';
import { HookedJob } from '../support/hooked-job';
import { readable, World } from '../support/world';

/**
 * A spot instance that is taken back, through the hooks: noticed on the instance (metadata) and
 * from outside (OperationLocks), each with the other one off; what becomes of the job's next tries;
 * and whether GitLab is asked for them.
 */
jest.setTimeout(240_000);

/** Long enough for whoever looks; the cloud itself gives 300 s. */
const NOTICE_MS = 15_000;

interface Lost {
  readonly job: HookedJob;
  readonly code: number | null;
  readonly log: string;
  readonly record: JobRecord;
}

let world: World;
let gitlab: Awaited<ReturnType<typeof startGitLabStub>>;
/** Three tries of one job, whose instances hear nothing of their interruption. */
const tries: Lost[] = [];
let third: HookedJob;
let forbidden: Lost;
let saved: Awaited<ReturnType<typeof oneThatSaves>>;
let entries: readonly LedgerEntry[];

beforeAll(async () => {
  world = await World.start();
  gitlab = await startGitLabStub();
  const asking = {
    CUSTOM_ENV_CI_SERVER_URL: gitlab.url,
    GITLAB_SPOT_GITLAB_URL: gitlab.url,
    GITLAB_SPOT_RETRY: 'yes',
  };
  const saves = oneThatSaves(asking).then((found) => (saved = found));
  await Promise.all([threeTries(asking), oneTryThatIsNotToBeRunAgain(asking), saves]);
  await world.nothingLeft(60_000);
  const ledger = new Ledger(path.join(world.sandbox.directory, 'state', 'ledger'));
  entries = (await ledger.entries({ from: '2000-01-01', to: '2999-12-31' })).entries;
}, 240_000);
afterAll(async () => {
  gitlab.close();
  await world.close();
});

async function threeTries(asking: Record<string, string>): Promise<void> {
  // Nobody answers there.
  const metadata = { GITLAB_SPOT_METADATA_URL: 'http://127.0.0.1:9' };
  const pipeline = { ...asking, ...metadata, CUSTOM_ENV_CI_PIPELINE_ID: '77', CUSTOM_ENV_CI_JOB_NAME: 'build' };
  for (let count = 0; count < 2; count++) {
    const lost = await lose(new HookedJob(world, pipeline));
    tries.push(lost);
    await lost.job.cleanUp();
    await world.nothingLeft(60_000);
  }
  third = new HookedJob(world, pipeline);
  await third.prepare();
  await third.cleanUp('success');
}

async function oneTryThatIsNotToBeRunAgain(asking: Record<string, string>): Promise<void> {
  const deploy = {
    ...asking,
    CUSTOM_ENV_CI_PIPELINE_ID: '78',
    CUSTOM_ENV_CI_JOB_NAME: 'deploy',
    CUSTOM_ENV_SPOT_NO_RETRY: '1',
  };
  const job = new HookedJob(world, { ...deploy, GITLAB_SPOT_RECONNECT_TIMEOUT: '5' });
  forbidden = await lose(job, async (instanceId) => {
    // What the cloud knows of it can't be asked.
    const match = { InstanceIds: JSON.stringify([instanceId]) };
    const error = { status: 403, code: 'Forbidden.RAM', message: 'injected' };
    await world.sandbox.control.inject({ action: 'DescribeInstances', match, error });
  });
  await world.sandbox.control.clearFaults();
  await job.cleanUp();
}

/** A job that names what it saves; its script would go on for minutes. */
async function oneThatSaves(asking: Record<string, string>) {
  const checkout = path.join(world.sandbox.directory, 'checkout');
  const job = new HookedJob(world, {
    ...asking,
    CUSTOM_ENV_CI_JOB_NAME: 'train',
    CUSTOM_ENV_CI_PROJECT_DIR: checkout,
    CUSTOM_ENV_SPOT_ON_INTERRUPTION: './save.sh',
    CUSTOM_ENV_TARGET: 'the store',
  });
  await job.prepare();
  const save = '#!/bin/sh\necho "saving $(cat model) to $TARGET"\ncp model model.saved\n';
  const stage = job.run(
    `mkdir -p '${checkout}'; cd '${checkout}'; echo weights >model; printf '%s' '${save}' >save.sh; chmod +x save.sh; echo begun; sleep 300; echo never`,
  );
  await stage.prints('begun');
  await world.sandbox.control.interrupt(job.instanceId(), 45_000);
  const { code, stdout, stderr } = await stage.ended;
  const upload = await job.run(`cat '${checkout}/model.saved'`, 'upload_artifacts_on_failure').ended;
  await job.cleanUp();
  return { job, code, log: readable(`${stdout.toString()}${stderr}`), upload };
}

async function lose(job: HookedJob, before: (instanceId: string) => Promise<void> = async () => {}): Promise<Lost> {
  await job.prepare();
  const stage = job.run('echo begun; sleep 300; echo never');
  await stage.prints('begun');
  await before(job.instanceId());
  await world.sandbox.control.interrupt(job.instanceId(), NOTICE_MS);
  const { code, stdout, stderr } = await stage.ended;
  return { job, code, log: readable(`${stdout.toString()}${stderr}`), record: job.record() };
}

const TAKEN =
  /ERROR: The cloud took the spot instance i-\w+ back\. GitLab runs the job again with `retry: when: runner_system_failure`\./;

test('an instance that hears of it itself says so with the time left, though the cloud can not be asked', () => {
  expect(forbidden.log).toMatch(/The cloud takes this spot instance back in 0 min \d+ s \(\S+Z\)/);
  expect(forbidden.log).toMatch(TAKEN);
  expect(forbidden.code).toBe(2);
  expect(forbidden.record).toMatchObject({ phase: 'lost', loss: { reason: 'interrupted' } });
});

test('one that can not hear of it is asked about from outside', () => {
  for (const { log, code, record } of tries) {
    expect(log).toMatch(/The cloud takes this spot instance back within 5 minutes/);
    expect(log).toMatch(TAKEN);
    expect(code).toBe(2);
    expect(record).toMatchObject({ phase: 'lost', loss: { reason: 'interrupted' } });
  }
});

test('the next try avoids the pool that was taken, and the third goes to pay-as-you-go', () => {
  const pools = [...tries.map(({ job }) => job), third].map(({ id }) => {
    const { instanceType, zoneId, market } = entries.find(({ jobId }) => jobId === id)!;
    return { pool: `${instanceType} ${zoneId}`, market };
  });
  expect(pools.map(({ market }) => market)).toEqual(['spot', 'spot', 'on-demand']);
  expect(pools[1]!.pool).not.toBe(pools[0]!.pool);
});

test('GitLab is asked for another run of each once, and not for a job that must not be run again', () => {
  expect(gitlab.retried().sort()).toEqual([tries[0]!.job.id, saved.job.id].sort());
});

test('what a job names is run in its checkout, its script ends in time, and its artifacts can still be uploaded', () => {
  const { code, log, upload } = saved;
  expect(log).toMatch(/Running SPOT_ON_INTERRUPTION \(limit \d+\.\d s\)\n[^]*saving weights to the store\n/);
  expect(log).not.toContain('never');
  expect(log).toMatch(TAKEN);
  expect(code).toBe(2);
  expect({ code: upload.code, stdout: upload.stdout.toString() }).toEqual({ code: 0, stdout: 'weights\n' });
});

test('the ledger says that they were interrupted', () => {
  const interrupted = entries.filter((entry) => entry.interrupted).map(({ jobId }) => jobId);
  expect(interrupted.sort()).toEqual([...tries, forbidden, saved].map(({ job }) => job.id).sort());
});
