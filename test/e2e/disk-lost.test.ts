import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import path from 'node:path';
import { Ledger } from '../../src/billing/ledger';
import { leaveLock } from '../support/stale-lock';
import { World } from '../support/world';

/** Runner hosts that come back without their disk, and hosts that share a backend: `reap` finds what is theirs by its tags. */
jest.setTimeout(180_000);

let world: World;
beforeEach(async () => {
  world = await World.start();
});
afterEach(() => world.close());

type Environment = Readonly<Record<string, string | undefined>>;

/** A job whose cleanup could not delete anything: all it made is left. */
async function jobLeftBehind(environment: Environment = {}): Promise<{ readonly gitlab: string }> {
  await world.sandbox.control.inject({
    action: 'DeleteInstance',
    error: { status: 403, code: 'Forbidden.RAM', message: 'injected' },
  });
  let gitlab = '';
  const job = await world.job('echo done', {
    environment: { GITLAB_SPOT_CLEANUP: 'wait', ...environment },
    onProject: (project) => (gitlab = project.gitlab.url),
  });
  await world.sandbox.control.clearFaults();
  expect(job.state).toBe('success');
  return { gitlab };
}

/** At the place of a job's GitLab, one that says what a test wants of any job. */
async function gitlabThatSays(url: string, job: object): Promise<Server> {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(job));
  });
  await once(server.listen(Number(new URL(url).port), '127.0.0.1'), 'listening');
  return server;
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
    ['with its backend', {}, ['state']],
    // By default the passphrase is in the state directory: nobody can read the stack any more.
    ['with its backend, but without its passphrase', { PULUMI_CONFIG_PASSPHRASE_FILE: undefined }, ['state']],
    ['without its backend too: only the tags remain', {}, ['state', 'backend']],
  ])('%s: one reap leaves nothing, and the ledger has the instance', async (_title, environment, lost) => {
    await jobLeftBehind(environment);
    const [instance] = (await world.sandbox.control.leftovers()).instances;
    expect(instance).toBeDefined();
    lose(...lost);
    const backend = path.join(world.sandbox.directory, 'backend');
    const [stack] = lost.includes('backend') ? [] : stacksIn(backend);
    // The host died in the middle of an update.
    if (stack !== undefined) leaveLock(backend, stack);
    expect(await reap(environment)).toMatchObject([{ action: 'adopt' }]);
    expect(await world.leftovers()).toEqual([]);
    const ledger = new Ledger(path.join(world.sandbox.directory, 'state', 'ledger'));
    const { entries } = await ledger.entries({ from: '2000-01-01', to: '2999-12-31' });
    expect(entries).toMatchObject([{ instanceId: instance!.instanceId, project: expect.stringMatching(/^root\//) }]);
  });
});

describe('two hosts with one backend', () => {
  const host = (name: string): Environment => ({
    GITLAB_SPOT_EXECUTOR_ID: name,
    GITLAB_SPOT_STATE_DIR: path.join(world.sandbox.directory, 'state', name),
  });

  test('each reaps its own and reports the other’s; --all-hosts takes it only when its job is over for certain', async () => {
    await jobLeftBehind(host('first'));
    await jobLeftBehind(host('second'));
    const decided = await reap(host('second'));
    expect(decided.map(({ action }) => action).sort()).toEqual(['destroy', 'report']);
    expect(decided.find(({ action }) => action === 'report')?.reason).toContain('it belongs to first');
    expect((await world.sandbox.control.leftovers()).instances).toHaveLength(1);
    expect(await reap(host('second'), '--all-hosts')).toMatchObject([
      { action: 'report', reason: 'it belongs to first, and nothing says that its job is over' },
    ]);
    expect(await reap(host('first'))).toMatchObject([{ action: 'destroy' }]);
    expect(await world.leftovers()).toEqual([]);
  });

  test.each([
    ['keeps it while GitLab says that it runs', 'running', undefined, 'keep', 1],
    ['leaves it to its own host for a while', 'success', 5, 'report', 1],
    ['takes it when its job is over for long', 'success', 16, 'adopt', 0],
  ])('--all-hosts, a job of a host that died: %s', async (_title, status, minutes, action, left) => {
    const { gitlab } = await jobLeftBehind(host('first'));
    const finished = minutes === undefined ? null : new Date(Date.now() - minutes * 60_000).toISOString();
    const server = await gitlabThatSays(gitlab, { status, finished_at: finished });
    try {
      const decided = await reap({ ...host('second'), GITLAB_SPOT_GITLAB_URL: gitlab }, '--all-hosts');
      expect(decided).toMatchObject([{ action }]);
    } finally {
      server.close();
    }
    expect((await world.sandbox.control.leftovers()).instances).toHaveLength(left);
    if (left > 0) return;
    expect(await world.leftovers()).toEqual([]);
    const ledger = new Ledger(path.join(host('second').GITLAB_SPOT_STATE_DIR!, 'ledger'));
    const { entries } = await ledger.entries({ from: '2000-01-01', to: '2999-12-31' });
    expect(entries).toMatchObject([{ executorId: 'first', project: expect.stringMatching(/^root\//) as string }]);
  });
});
