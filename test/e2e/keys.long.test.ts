import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HookedJob } from '../support/hooked-job';
import { World } from '../support/world';

let world: World;
beforeAll(
  async () => (world = await World.start({ providerSleeps: 'create=6000,delete=50,network=20,poll=50,retry=50' })),
);
afterAll(() => world.close());

const inState = (...names: string[]): string => path.join(world.sandbox.directory, 'state', ...names);
const reap = (...args: string[]) => world.gitlabSpot(['reap', ...args]);

function kept(): readonly string[] {
  try {
    return readdirSync(inState('keys')).map(
      (name) => (JSON.parse(readFileSync(inState('keys', name), 'utf8')) as { privateKey: string }).privateKey,
    );
  } catch {
    return [];
  }
}

test('a round of the reaper makes keys ahead, and the next job takes one; a dry run makes none', async () => {
  await reap('--dry-run');
  expect(kept()).toEqual([]);
  const { stdout, stderr } = await reap('--yes');
  expect(`${stdout}${stderr}`).not.toContain('PRIVATE KEY');
  const before = kept();
  expect(before.length).toBeGreaterThan(0);
  const modes = ['.', ...readdirSync(inState('keys'))].map((name) => statSync(inState('keys', name)).mode & 0o777);
  expect(modes).toEqual([0o700, ...before.map(() => 0o600)]);

  const job = new HookedJob(world);
  await job.prepare();
  const own = readFileSync(path.join(path.dirname(job.recordFile), 'id_ed25519'), 'utf8');
  expect(before).toContain(own);
  expect(kept()).not.toContain(own);
  await job.cleanUp();
  await world.nothingLeft();
}, 120_000);

test('an `up` that only waits for its instance makes some, and leaves no ticket', async () => {
  rmSync(inState('keys'), { recursive: true, force: true });
  const job = new HookedJob(world);
  const prepared = job.prepare();
  for (const deadline = Date.now() + 60_000; kept().length === 0; await sleep(50))
    if (Date.now() > deadline) throw new Error('no key within a minute');
  await prepared;
  await job.cleanUp();
  await world.nothingLeft();
  expect(kept().length).toBeLessThanOrEqual(4);
  expect(readdirSync(inState('slots', 'keys'))).toEqual([]);
}, 120_000);
