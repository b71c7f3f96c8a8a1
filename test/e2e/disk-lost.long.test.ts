import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Ledger } from '../../src/billing/ledger';
import { HookedJob } from '../support/hooked-job';
import { leaveLock } from '../support/stale-lock';
import { World } from '../support/world';

/**
 * Runner hosts that come back without their disk, and hosts that share a backend: `reap` finds what
 * is theirs by its tags. What it decides in which case stands in test/src/reaper/decide.test.ts; other
 * losses, at any moment, in host-death.long.test.ts.
 */
jest.setTimeout(180_000);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

type Environment = Readonly<Record<string, string | undefined>>;

/** A job that was prepared on a host, and then nothing more: all it made is left. */
async function jobLeftBehind(environment: Environment = {}, gitlab = 'http://127.0.0.1:9'): Promise<string> {
  const job = new HookedJob(world, { CUSTOM_ENV_CI_SERVER_URL: gitlab, ...environment });
  await job.prepare();
  const { instances } = await world.sandbox.control.leftovers();
  return instances.find(({ tags }) => tags['gitlab-spot/job'] === String(job.id))!.instanceId;
}

/** A GitLab that says this of any job; what it says may change. */
async function gitlabThatSays(job: Record<string, unknown>) {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(job));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

function lose(...names: string[]): void {
  for (const name of names) {
    rmSync(path.join(world.sandbox.directory, name), { recursive: true, force: true });
    mkdirSync(path.join(world.sandbox.directory, name), { mode: 0o700 });
  }
}

function stacksIn(backend: string): string[] {
  const names = readdirSync(path.join(backend, '.pulumi/stacks/gitlab-spot'));
  return names.flatMap((name) => /^(job-.*)\.json$/.exec(name)?.[1] ?? []);
}

interface ReapLine {
  readonly action: string;
  readonly reason: string;
}

async function reap(environment: Environment = {}, ...options: string[]): Promise<ReapLine[]> {
  const { exitCode, stdout, stderr } = await world.gitlabSpot(
    ['reap', '--grace', '0s', '--yes', '--json', ...options],
    environment,
  );
  expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });
  return JSON.parse(stdout) as ReapLine[];
}

describe('a host that comes back without its disk', () => {
  test.each([
    // By default the passphrase is in the state directory: nobody can read the stack any more.
    ['with its backend, but without its passphrase', { PULUMI_CONFIG_PASSPHRASE_FILE: undefined }, ['state']],
    ['without its backend too: only the tags remain', {}, ['state', 'backend']],
  ])('%s: one reap leaves nothing, and the ledger has the instance', async (_title, environment, lost) => {
    const instanceId = await jobLeftBehind(environment);
    lose(...lost);
    const backend = path.join(world.sandbox.directory, 'backend');
    const [stack] = lost.includes('backend') ? [] : stacksIn(backend);
    // The host died in the middle of an update.
    if (stack !== undefined) leaveLock(backend, stack);
    expect(await reap(environment)).toMatchObject([{ action: 'adopt' }]);
    expect(await world.leftovers()).toEqual([]);
    const ledger = new Ledger(path.join(world.sandbox.directory, 'state', 'ledger'));
    const { entries } = await ledger.entries({ from: '2000-01-01', to: '2999-12-31' });
    expect(entries).toMatchObject([{ instanceId, project: expect.stringMatching(/^root\//) }]);
  });
});

describe('two hosts with one backend', () => {
  const host = (name: string): Environment => ({
    GITLAB_SPOT_EXECUTOR_ID: name,
    GITLAB_SPOT_STATE_DIR: path.join(world.sandbox.directory, 'state', name),
  });

  test('each reaps its own and reports the other’s; --all-hosts takes it only when its job is over for long', async () => {
    const job: Record<string, unknown> = { status: 'running', finished_at: null };
    const gitlab = await gitlabThatSays(job);
    try {
      await jobLeftBehind(host('first'), gitlab.url);
      await jobLeftBehind(host('second'));
      const decided = await reap(host('second'));
      expect(decided.map(({ action }) => action).sort()).toEqual(['destroy', 'report']);
      expect(decided.find(({ action }) => action === 'report')?.reason).toContain('it belongs to first');
      expect((await world.sandbox.control.leftovers()).instances).toHaveLength(1);
      expect(await reap(host('second'), '--all-hosts')).toMatchObject([
        { action: 'report', reason: 'it belongs to first, and nothing says that its job is over' },
      ]);

      const asked = { ...host('second'), GITLAB_SPOT_GITLAB_URL: gitlab.url };
      const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
      expect(await reap(asked, '--all-hosts')).toMatchObject([{ action: 'keep' }]);
      Object.assign(job, { status: 'success', finished_at: minutesAgo(5) });
      expect(await reap(asked, '--all-hosts')).toMatchObject([{ action: 'report' }]);
      expect((await world.sandbox.control.leftovers()).instances).toHaveLength(1);
      job.finished_at = minutesAgo(16);
      expect(await reap(asked, '--all-hosts')).toMatchObject([{ action: 'adopt' }]);
    } finally {
      gitlab.close();
    }
    expect(await world.leftovers()).toEqual([]);
    const ledger = new Ledger(path.join(host('second').GITLAB_SPOT_STATE_DIR!, 'ledger'));
    const { entries } = await ledger.entries({ from: '2000-01-01', to: '2999-12-31' });
    expect(entries.map(({ executorId, project }) => `${executorId}: ${project}`).sort()).toEqual([
      'first: root/demo',
      'second: root/demo',
    ]);
  });
});
