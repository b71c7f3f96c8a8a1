import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Ledger } from '../../src/billing/ledger';
import type { LedgerEntry } from '../../src/billing/types';
import { HookedJob } from '../support/hooked-job';
import { readable, World } from '../support/world';

/**
 * A spare machine's life through the built hooks: made, taken by one of several jobs, handed over,
 * given up, found without the disk.
 */
jest.setTimeout(180_000);

const page = (keep: number): string => `default: hot
profiles:
  hot:
    types: [ecs.c7.xlarge, ecs.u1-c1m2.xlarge]
    image: gitlab-spot-java23
    spot: { maxPrice: 0.9 }
    ${keep > 0 ? `spares: { keep: ${keep} }` : ''}
  cold:
    types: [ecs.c7.xlarge, ecs.u1-c1m2.xlarge]
    image: gitlab-spot-java23
    spot: { maxPrice: 0.9 }
`;

let world: World;
let environment: Record<string, string>;
const pageFile = (): string => environment.GITLAB_SPOT_PROFILES_FILE!;
beforeAll(async () => {
  world = await World.start();
  environment = { GITLAB_SPOT_PROFILES_FILE: path.join(world.sandbox.directory, 'profiles.yaml') };
  writeFileSync(pageFile(), page(1));
});
afterAll(() => world.close());

interface SpareLine {
  readonly stack: string;
  readonly phase: string;
  readonly taker?: string;
  readonly instance: { readonly instanceId: string };
}

async function spares(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await world.gitlabSpot(['spares', ...args], environment);
  expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout;
}

const listed = async (): Promise<SpareLine[]> => JSON.parse(await spares('ls', '--json')) as SpareLine[];

function stacks(): string[] {
  const names = readdirSync(path.join(world.sandbox.directory, 'backend/.pulumi/stacks/gitlab-spot'));
  return names.flatMap((name) => /^((?:job|spare)-.*)\.json$/.exec(name)?.[1] ?? []);
}

async function ledger(): Promise<readonly LedgerEntry[]> {
  const all = new Ledger(path.join(world.sandbox.directory, 'state', 'ledger'));
  return (await all.entries({ from: '2000-01-01', to: '2999-12-31' })).entries;
}

async function runInstances(): Promise<number> {
  return (await world.sandbox.control.calls()).filter(({ action }) => action === 'RunInstances').length;
}

test('a spare is a stack of its own, and the first of several jobs that want it has it without pulumi', async () => {
  expect(await spares('fill')).toBe('1 made, 0 ended\n');
  const [spare] = await listed();
  expect(spare).toMatchObject({ phase: 'spare', stack: expect.stringMatching(/^spare-hot-\w{12}$/) });
  expect(stacks()).toEqual([spare!.stack]);
  const { instances } = await world.sandbox.control.leftovers();
  expect(instances[0]!.tags).toMatchObject({ 'gitlab-spot': 'spare', 'gitlab-spot/profile': 'hot' });

  const jobs = [1, 2].map(() => new HookedJob(world, environment));
  const logs = await Promise.all(jobs.map((job) => job.prepare()));
  const taken = jobs.filter((job) => job.instanceId() === spare!.instance.instanceId);
  expect(taken).toHaveLength(1);
  const [job] = taken;
  const log = readable(logs[jobs.indexOf(job!)]!);
  expect(log).toContain(`Taking the spare machine ${spare!.instance.instanceId}`);
  expect(log).not.toMatch(/pulumi|Taking ecs/);
  const own = (await world.sandbox.control.leftovers()).instances.find(
    ({ instanceId }) => instanceId === spare!.instance.instanceId,
  );
  expect(own!.tags).toMatchObject({
    'gitlab-spot': 'job',
    'gitlab-spot/job': String(job!.id),
    'gitlab-spot/holder': job!.stackName,
    'gitlab-spot/project': 'root/demo',
  });
  expect(job!.record()).toMatchObject({ phase: 'running', spare: { stackName: spare!.stack } });
  const { code, stdout } = await job!.run('echo "on $(hostname)"').ended;
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: expect.stringMatching(/^on \S+\n$/) });

  // It refills by itself: none waits for a person.
  for (const one of jobs) await one.cleanUp('success');
  await until('the jobs are gone', () => world.jobFolders().every((name) => name.startsWith('spare-')));
  const entries = (await ledger()).filter(({ instanceId }) => instanceId === spare!.instance.instanceId);
  expect(entries).toMatchObject([
    { stack: spare!.stack, spare: true, project: '', profile: 'hot' },
    { stack: job!.stackName, project: 'root/demo', result: 'success' },
  ]);
  expect(entries[1]!.from).toBe(entries[0]!.to);
});

test('drained, none is left, and none is made until a person says so', async () => {
  // The one that the keeper has made since, by itself.
  await until('another waits', async () => (await listed()).some(({ phase }) => phase === 'spare'));
  expect(await spares('drain')).toBe('0 made, 1 ended\n');
  await world.nothingLeft();
  const before = await runInstances();
  expect((await world.gitlabSpot(['reap', '--yes'], environment)).exitCode).toBe(0);
  expect(await runInstances()).toBe(before);
});

test('a host that takes no jobs has none either, from the reaper’s next round on, and makes none', async () => {
  await spares('fill');
  expect((await world.gitlabSpot(['drain', '--wait', '0'], environment)).exitCode).toBe(0);
  expect((await world.gitlabSpot(['reap', '--yes'], environment)).exitCode).toBe(0);
  await world.nothingLeft();
  expect((await world.gitlabSpot(['drain'], environment)).stdout).toContain('Drained: no job runs here');
  expect(await spares('fill')).toBe('0 made, 0 ended\n');
  expect((await world.gitlabSpot(['drain', '--undo'], environment)).exitCode).toBe(0);
});

test('a host that lost its disk while a job had its spare leaves nothing, and its cleanup finds it by the tags', async () => {
  await spares('fill');
  // No other takes its place.
  writeFileSync(pageFile(), page(1).replace('keep: 1', 'keep: 1, when: 00:00-00:01'));
  const job = new HookedJob(world, environment);
  await job.prepare();
  const instanceId = job.instanceId();
  for (const name of ['state', 'backend']) {
    rmSync(path.join(world.sandbox.directory, name), { recursive: true, force: true });
    mkdirSync(path.join(world.sandbox.directory, name), { mode: 0o700 });
  }
  await job.cleanUp('failed');
  await world.nothingLeft();
  expect((await ledger()).map((entry) => [entry.instanceId, entry.spare === true])).toEqual([
    [instanceId, true],
    [instanceId, false],
  ]);
});

test('a machine is made for the job that follows, while the one before it runs', async () => {
  writeFileSync(pageFile(), page(1).replace('keep: 1', 'max: 2, when: 00:00-24:00'));
  const started = Date.now();
  const past = [1, 2, 3].flatMap((pipeline) =>
    ['build', 'test'].map((job, index) => {
      const atMs = started - pipeline * 3_600_000 + index * 20_000;
      return { atMs, project: 'gitlab.example.com#42', pipeline, job, profile: 'hot' };
    }),
  );
  const lines = past.map((one) => `${JSON.stringify(one)}\n`);
  writeFileSync(path.join(world.sandbox.directory, 'state', 'arrivals.jsonl'), lines.join(''));
  const ofPipeline = { ...environment, CUSTOM_ENV_CI_PIPELINE_ID: '9' };
  const build = new HookedJob(world, ofPipeline);
  await build.prepare();
  await until('a machine waits', async () => (await listed()).some(({ phase }) => phase === 'spare'));
  const next = new HookedJob(world, { ...ofPipeline, CUSTOM_ENV_CI_JOB_NAME: 'test' });
  expect(readable(await next.prepare())).toContain('Taking the spare machine');
  for (const job of [build, next]) await job.cleanUp('success');
  await world.nothingLeft();
});

async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<void> {
  for (const deadline = Date.now() + limitMs; !(await holds()); await new Promise((go) => setTimeout(go, 100)))
    if (Date.now() > deadline) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
}
