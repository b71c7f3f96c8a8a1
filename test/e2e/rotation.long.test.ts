import { writeFileSync } from 'node:fs';
import { executorPolicy } from '../../stacks/ram-policy';
import { HookedJob } from '../support/hooked-job';
import { World } from '../support/world';

/**
 * The runbook of docs/operating.md, as it is written: no job is lost, and none knows the old
 * secrets afterwards.
 */
jest.setTimeout(180_000);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

test('a host is drained, its passphrase and access key change, and it takes jobs again', async () => {
  const { control, environment } = world.sandbox;
  const running = new HookedJob(world);
  await running.prepare();

  expect(await world.gitlabSpot(['drain', '--wait', '0'], {})).toMatchObject({ exitCode: 0 });
  const refused = await new HookedJob(world).start('prepare').ended;
  expect(refused.code).toBe(2);
  expect(refused.stderr.toString()).toContain('This runner host takes no new jobs since');
  expect((await running.run('echo still here').ended).code).toBe(0);
  await running.cleanUp('success');
  expect(await world.gitlabSpot(['drain', '--wait', '60s'], {})).toMatchObject({ exitCode: 0 });
  expect(await world.leftovers()).toEqual([]);

  writeFileSync(environment.PULUMI_CONFIG_PASSPHRASE_FILE!, 'another passphrase\n', { mode: 0o600 });
  const old = environment.ALICLOUD_ACCESS_KEY!;
  const { secret } = await control.addAccessKeyWithPolicy('LTAIrotated', executorPolicy({ images: false }));
  const rotated = { ALICLOUD_ACCESS_KEY: 'LTAIrotated', ALICLOUD_SECRET_KEY: secret };
  await control.disableAccessKey(old);

  expect(await world.gitlabSpot(['drain', '--undo'], rotated)).toMatchObject({ exitCode: 0 });
  const next = new HookedJob(world, rotated);
  await next.prepare();
  await next.cleanUp('success');
  expect(await world.gitlabSpot(['drain', '--wait', '60s'], rotated)).toMatchObject({ exitCode: 0 });
  expect(await world.leftovers()).toEqual([]);
});
