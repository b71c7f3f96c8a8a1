import { setTimeout as sleep } from 'node:timers/promises';
import { HookedJob } from '../support/hooked-job';
import { firstOf, type Program } from '../support/victims';
import { readable, World } from '../support/world';

/**
 * On a small host the kernel ends the largest process: a CLI, or its provider. Whoever it was, the
 * job's log says so, and nothing is left.
 */
jest.setTimeout(180_000);

let world: World;
beforeAll(async () => {
  // The instance is being made for as long as it takes to find the process.
  world = await World.start({ delays: { pendingMs: 8_000 } });
});
afterAll(() => world.close());

test.each<[Program, RegExp]>([
  ['provider', /ERROR: The alicloud provider was killed while it worked\. Most likely .* ran out of memory/],
  ['pulumi', /ERROR: `pulumi up` was killed \(SIGKILL\)\. Most likely .* ran out of memory/],
])('a killed %s is told as that, with what to do', async (program, sentence) => {
  const job = new HookedJob(world, { GITLAB_SPOT_CLEANUP: 'wait' });
  const prepare = job.start('prepare');
  const launched = async (): Promise<boolean> =>
    (await world.sandbox.control.calls()).some(
      ({ action, params, status }) =>
        action === 'RunInstances' && params.InstanceName === job.stackName && status === 200,
    );
  while (!(await launched())) await sleep(50);
  const works = (found: { program: Program; verb: string }) =>
    found.program === program && (program === 'provider' || found.verb === 'up');
  const victim = await firstOf(world.sandbox.directory, works, AbortSignal.timeout(20_000));
  process.kill(victim!.pid, 'SIGKILL');
  const { code, stdout, stderr } = await prepare.ended;
  expect({ code, log: readable(`${stdout.toString()}${stderr}`) }).toMatchObject({
    code: 2,
    log: expect.stringMatching(sentence),
  });
  await job.cleanUp();
  await world.nothingLeft();
});
