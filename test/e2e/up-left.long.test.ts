import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HookedJob } from '../support/hooked-job';
import { processesOf, type Program } from '../support/victims';
import { readable, World } from '../support/world';

/**
 * Prepare ends once its instance answers, while the provider still sleeps: its `up` goes on in a
 * process of its own. Whoever dies then, and however soon the job is over, nothing is left.
 */
jest.setTimeout(240_000);

let world: World;
beforeAll(async () => {
  // Longer than all that is done meanwhile takes on a busy machine; the real one sleeps 10 s.
  world = await World.start({ providerSleeps: 'create=20000,delete=50,network=20,poll=50,retry=50' });
});
afterAll(() => world.close());

const engine = (job: HookedJob) => path.join(path.dirname(job.recordFile), 'pulumi');
const works = (job: HookedJob, program: Program) =>
  processesOf(world.sandbox.directory).filter((one) => one.program === program && one.jobId === job.id);
const stateOf = (job: HookedJob) =>
  JSON.parse(
    readFileSync(
      path.join(world.sandbox.directory, 'backend/.pulumi/stacks/gitlab-spot', `${job.stackName}.json`),
      'utf8',
    ),
  ) as { checkpoint: { latest: { resources: { type: string }[]; pending_operations?: unknown[] } } };

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !holds(); await sleep(50))
    if (Date.now() > deadline) throw new Error(`not within 60 s: ${what}`);
}

/** A job whose prepare has ended, and whose `up` has not. */
async function left(): Promise<HookedJob> {
  const job = new HookedJob(world, { GITLAB_SPOT_CLEANUP: 'wait' });
  await job.prepare();
  expect(works(job, 'up')).toHaveLength(1);
  expect(works(job, 'pulumi')).toMatchObject([{ verb: 'up' }]);
  expect(stateOf(job).checkpoint.latest.pending_operations).toHaveLength(1);
  return job;
}

async function cleanedUp(job: HookedJob): Promise<string> {
  const { code, stderr } = await job.start('cleanup', { CUSTOM_ENV_CI_JOB_STATUS: 'success' }).ended;
  expect({ code, stderr }).toMatchObject({ code: 0 });
  await world.nothingLeft(0);
  await until('nobody works for it', () => processesOf(world.sandbox.directory).every(({ jobId }) => jobId !== job.id));
  return stderr;
}

test('the job’s stages run meanwhile, and the stack is whole in the end', async () => {
  const job = await left();
  expect(await job.run('true').ended).toMatchObject({ code: 0 });
  expect(works(job, 'up')).toHaveLength(1);
  await until('the `up` has ended', () => works(job, 'up').length === 0);
  const { resources, pending_operations: pending = [] } = stateOf(job).checkpoint.latest;
  expect(resources.map(({ type }) => type)).toContain('alicloud:ecs/instance:Instance');
  expect(pending).toEqual([]);
  expect(existsSync(path.join(engine(job), 'up.json'))).toBe(false);
  expect(readdirSync(path.join(world.sandbox.directory, 'state/slots/accepted'))).toEqual([]);
  await cleanedUp(job);
});

test('a job that is over before waits for its `up`, which leaves nothing to find by a tag alone', async () => {
  const job = await left();
  const log = await cleanedUp(job);
  expect(log).toContain('Waiting for the `up` of this stack');
  expect(log).not.toContain('which no stack knows');
});

test.each<[string, readonly Program[]]>([
  ['the process that follows the `up`', ['up']],
  ['the CLI', ['pulumi']],
  ['both', ['up', 'pulumi']],
  ['both and the provider', ['up', 'pulumi', 'provider']],
])('where %s was killed the next stage says so in one sentence, and nothing is left', async (_who, victims) => {
  const job = await left();
  const pids = victims.flatMap((program) => works(job, program).map(({ pid }) => pid));
  expect(pids).toHaveLength(victims.length);
  pids.forEach((pid) => process.kill(pid, 'SIGKILL'));
  await until('it has ended', () => works(job, 'up').length === 0);
  const { code, stdout, stderr } = await job.run('echo begun').ended;
  const log = readable(`${stdout.toString()}${stderr}`);
  expect({ code, log }).toEqual({
    code: 2,
    log: expect.stringMatching(
      /^(Cost: .*\n)?ERROR: The job's stack could not be finished after its instance was ready: .*killed.* Run the job again\.\n$/,
    ),
  });
  await cleanedUp(job);
});
