import { version } from '../../package.json';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ledger } from '../../src/billing/ledger';
import { noteReap } from '../../src/reaper/last-run';
import { RecordStore } from '../../src/jobs/record-store';
import { gitlabSpot } from '../support/cli';
import { parseExposition } from '../support/exposition';
import { preparingRecord } from '../support/job-record';
import { ledgerEntry } from '../support/ledger-entry';

/** `gitlab-spot metrics`, as the built command: from a state folder alone. */
const root = path.resolve(__dirname, '../..');
let directory: string;
let environment: Record<string, string | undefined>;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'metrics-'));
  environment = {
    PATH: process.env.PATH,
    HOME: directory,
    GITLAB_SPOT_ENV_FILE: '/dev/null',
    GITLAB_SPOT_STATE_DIR: path.join(directory, 'state'),
  };
  new RecordStore(environment.GITLAB_SPOT_STATE_DIR!).write(preparingRecord());
  noteReap(environment.GITLAB_SPOT_STATE_DIR!, Date.now(), { destroyed: 0, left: 1, reported: 0 });
  const now = new Date().toISOString();
  await new Ledger(path.join(directory, 'state/ledger')).put(
    ledgerEntry({ from: now, to: now, yuan: 0.02, diskYuan: 0.005 }),
  );
});
afterAll(() => rmSync(directory, { recursive: true }));

function valueOf(text: string, name: string, labels: Record<string, string> = {}): number | undefined {
  return parseExposition(text)
    .get(name)
    ?.samples.find((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))?.value;
}

test('prints what is, was and is left', async () => {
  const { stdout, exitCode } = await gitlabSpot(['metrics'], environment);
  expect(exitCode).toBe(0);
  expect(valueOf(stdout, 'gitlab_spot_jobs', { phase: 'preparing' })).toBe(1);
  expect(valueOf(stdout, 'gitlab_spot_jobs_ended_total', { profile: 'standard', result: 'success' })).toBe(1);
  expect(valueOf(stdout, 'gitlab_spot_leftovers')).toBe(1);
});

test('counts a hook that failed, by its cause', async () => {
  const hook = (name: string, change: Record<string, string> = {}) =>
    spawnSync(process.execPath, [path.join(root, 'dist/executor', `${name}.js`)], {
      encoding: 'utf8',
      env: {
        ...environment,
        SYSTEM_FAILURE_EXIT_CODE: '2',
        BUILD_FAILURE_EXIT_CODE: '1',
        CUSTOM_ENV_CI_JOB_ID: '7',
        CUSTOM_ENV_CI_SERVER_URL: 'https://gitlab.example.com',
        ALICLOUD_REGION: 'cn-hangzhou',
        ALICLOUD_ACCESS_KEY: 'x',
        ALICLOUD_SECRET_KEY: 'x',
        GITLAB_SPOT_VPC_ID: 'vpc-1',
        GITLAB_SPOT_PROFILES_FILE: '/nowhere.yaml',
        ...change,
      },
    });
  expect(hook('prepare')).toMatchObject({ status: 2, stderr: expect.stringContaining('/nowhere.yaml') as string });
  const { stdout } = await gitlabSpot(['metrics'], environment);
  expect(valueOf(stdout, 'gitlab_spot_failures_total', { hook: 'prepare', cause: 'ConfigurationError' })).toBe(1);
});

test('writes a whole file that others may read, and nothing beside it', async () => {
  const file = path.join(directory, 'gitlab-spot.prom');
  expect(await gitlabSpot(['metrics', '--textfile', file], environment)).toMatchObject({ exitCode: 0, stdout: '' });
  expect(statSync(file).mode & 0o777).toBe(0o644);
  expect(valueOf(readFileSync(file, 'utf8'), 'gitlab_spot_info', { version })).toBe(1);
  expect(readdirSync(directory).filter((name) => name.startsWith('gitlab-spot.prom'))).toEqual(['gitlab-spot.prom']);
  const nowhere = await gitlabSpot(['metrics', '--textfile', '/nowhere/x.prom'], environment);
  expect(nowhere).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("/nowhere/x.prom can't be written (ENOENT)") as string,
  });
});

test('serves them until it is told to end', async () => {
  const program = path.join(root, 'dist/cli/gitlab-spot.js');
  const child = spawn(process.execPath, [program, 'metrics', '--listen', '127.0.0.1:0'], {
    env: environment as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [line] = (await once(child.stderr, 'data')) as [Buffer];
  const url = /http:\S+/.exec(line.toString())![0];
  const answer = await fetch(url);
  expect(valueOf(await answer.text(), 'gitlab_spot_jobs', { phase: 'preparing' })).toBe(1);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('the alert rules and the queries of the documentation name metrics that there are', async () => {
  const { stdout } = await gitlabSpot(['metrics'], {
    ...environment,
    GITLAB_SPOT_BUDGET: '100',
    GITLAB_SPOT_BUDGET_PER_PROJECT: 'team/app=5',
  });
  const known = [...parseExposition(stdout).entries()].flatMap(([name, { type }]) =>
    type === 'histogram' ? ['', '_bucket', '_sum', '_count'].map((ending) => name + ending) : [name],
  );
  for (const file of ['gitlab-spot.rules.yml', 'grafana-dashboard.json']
    .map((one) => `deploy/prometheus/${one}`)
    .concat('docs/operating.md')) {
    const named = readFileSync(path.join(root, file), 'utf8').match(/\bgitlab_spot_\w+/g) ?? [];
    // An account that pays in dollars has the same names in dollars.
    const inYuan = named.map((name) => name.replace('_usd_', '_yuan_'));
    expect({ file, unknown: inYuan.filter((name) => !known.includes(name)) }).toEqual({ file, unknown: [] });
    expect(named.length).toBeGreaterThan(5);
  }
});
