import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { S3Storage } from '../../sandbox/engine/backend/s3-storage';
import { World } from '../support/world';

/**
 * Runner hosts that share one bucket by one setting: each sees all stacks, reaps its own, and takes
 * another's only when it is dead.
 */
jest.setTimeout(600_000);

let world: World;
let bucket: S3Storage;
beforeAll(async () => {
  world = await World.start();
  bucket = new S3Storage(backend(), keys());
  await bucket.makeBucket();
});
afterAll(() => world.close());

type Environment = Readonly<Record<string, string | undefined>>;

const backend = (): string =>
  `s3://team-state?region=cn-hangzhou&endpoint=http://${world.sandbox.info.endpoint}&s3ForcePathStyle=true`;
const keys = () => ({
  AWS_ACCESS_KEY_ID: world.sandbox.info.accessKeyId,
  AWS_SECRET_ACCESS_KEY: world.sandbox.info.accessKeySecret,
});
const host = (name: string): Environment => ({
  ...keys(),
  PULUMI_BACKEND_URL: backend(),
  GITLAB_SPOT_EXECUTOR_ID: name,
  GITLAB_SPOT_STATE_DIR: path.join(world.sandbox.directory, 'state', name),
  PULUMI_HOME: path.join(world.sandbox.directory, 'pulumi', name),
});

/** Every object of the bucket below a folder. */
async function objects(folder = '.pulumi'): Promise<string[]> {
  const found = await Promise.all(
    (await bucket.list(folder)).map((name) =>
      name.endsWith('/') ? objects(`${folder}/${name.slice(0, -1)}`) : [`${folder}/${name}`],
    ),
  );
  return found.flat();
}

async function run(environment: Environment, ...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await world.gitlabSpot(args, environment);
  expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout;
}

interface Line {
  readonly stack: string;
  readonly action: string;
  readonly reason: string;
}
const reap = async (environment: Environment, ...options: string[]): Promise<Line[]> =>
  JSON.parse(await run(environment, 'reap', '--grace', '0s', '--yes', '--json', ...options)) as Line[];

/** A job whose cleanup could not delete anything: all it made is left. */
async function jobLeftBehind(name: string): Promise<{ suffix: string; gitlab: string }> {
  let gitlab = '';
  await world.sandbox.control.inject({
    action: 'DeleteInstance',
    error: { status: 403, code: 'Forbidden.RAM', message: 'injected' },
  });
  const job = await world.job('echo done', {
    environment: { ...host(name), GITLAB_SPOT_CLEANUP: 'wait' },
    onProject: (project) => (gitlab = project.gitlab.url),
  });
  await world.sandbox.control.clearFaults();
  expect(job.state).toBe('success');
  return { suffix: `-${job.id}-1`, gitlab };
}

test('jobs of two hosts at once leave nothing in the bucket but its version', async () => {
  const jobs = await Promise.all(
    ['first', 'second'].map((name) =>
      world.job('echo done', { environment: { ...host(name), GITLAB_SPOT_CLEANUP: 'wait' } }),
    ),
  );
  expect(jobs.map(({ state }) => state)).toEqual(['success', 'success']);
  expect(await objects()).toEqual(['.pulumi/meta.yaml']);
  expect(await world.leftovers()).toEqual([]);
});

test('each host sees all stacks, reaps its own, and leaves the other’s alone', async () => {
  const [{ suffix: first }, { suffix: second }] = [await jobLeftBehind('first'), await jobLeftBehind('second')];
  const stacks = (await objects('.pulumi/stacks')).filter((name) => name.endsWith('.json'));
  expect(stacks.map((name) => /-\d+-1/.exec(name)?.[0]).sort()).toEqual([first, second]);
  const seen = await reap(host('second'));
  const words = Object.fromEntries(
    seen.map(({ stack, action, reason }) => [stack.slice(-first.length), `${action}: ${reason}`]),
  );
  expect(words).toEqual({
    [first]: expect.stringMatching(/^report: it belongs to first/) as string,
    [second]: expect.stringMatching(/^destroy: /) as string,
  });
  expect((await objects('.pulumi/stacks')).filter((name) => name.endsWith('.json'))).toEqual([
    expect.stringContaining(first),
  ]);
  expect(await reap(host('second'), '--all-hosts')).toMatchObject([
    { action: 'report', reason: 'it belongs to first, and nothing says that its job is over' },
  ]);
  expect(await reap(host('first'))).toMatchObject([{ action: 'destroy' }]);
  expect(await objects()).toEqual(['.pulumi/meta.yaml']);
});

/** A GitLab that has one word on every job, where the jobs' own was. */
async function withGitLab<T>(url: string, word: object, work: () => Promise<T>): Promise<T> {
  const server = createServer((_request, response) => response.end(JSON.stringify(word)));
  await new Promise<void>((resolve) => server.listen(Number(new URL(url).port), '127.0.0.1', resolve));
  try {
    return await work();
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test('a host that died with its disk is reaped by another only with --all-hosts, and only when GitLab says that its job is over', async () => {
  const { suffix, gitlab } = await jobLeftBehind('first');
  const state = path.join(world.sandbox.directory, 'state', 'first');
  rmSync(state, { recursive: true, force: true });
  mkdirSync(state, { mode: 0o700 });
  const asked = { GITLAB_SPOT_GITLAB_URL: gitlab };
  const reapAsking = (...options: string[]) => reap({ ...host('second'), ...asked }, ...options);
  expect(await withGitLab(gitlab, { status: 'running' }, () => reapAsking('--all-hosts'))).toMatchObject([
    { action: 'keep', reason: 'GitLab says that the job runs' },
  ]);
  const over = { status: 'failed', finished_at: new Date(Date.now() - 3_600_000).toISOString() };
  expect(await withGitLab(gitlab, over, () => reapAsking())).toMatchObject([{ action: 'report' }]);
  expect(await withGitLab(gitlab, over, () => reapAsking('--all-hosts'))).toMatchObject([
    { action: 'adopt', stack: expect.stringContaining(suffix) as string },
  ]);
  expect(await objects()).toEqual(['.pulumi/meta.yaml']);
  expect(await world.leftovers()).toEqual([]);
});
