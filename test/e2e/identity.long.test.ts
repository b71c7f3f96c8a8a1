import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import {
  ACCESS_TOKEN,
  realRunner,
  runPipeline,
  standInRunner,
  type Project,
  type StartRunner,
} from '../../sandbox/runner/run-pipeline';
import type { JobPayload } from '../../sandbox/runner/payload';
import type { JobResult } from '../../sandbox/runner/types';
import { builtHooks, programOn } from '../../sandbox/start';
import { Ledger } from '../../src/billing/ledger';
import { jobIdentity } from '../../src/jobs/identity';
import { RecordStore } from '../../src/jobs/record-store';
import { instanceFacts, preparingRecord } from '../support/job-record';
import { startHostile, type HostileServer } from '../support/ssh/hostile';
import { readable, repositoryWith, World } from '../support/world';

/**
 * Jobs that say they are another one, with the real gitlab-runner where it is on PATH. The other one
 * is there: its record, its key, and an instance that counts logins; a server that the jobs name
 * counts who comes. Whatever a job tries, nobody comes to either.
 */
jest.setTimeout(600_000);

const FIRST_ID = 71_000;
const VICTIM_ID = 999;
const VICTIM_PROJECT = 7;

let world: World;
let victim: HostileServer;
let evil: Server;
let evilUrl: string;
let visits = 0;

beforeAll(async () => {
  world = await World.start();
  victim = await startHostile((channel) => channel.close());
  evil = createServer((socket) => (visits++, socket.destroy()));
  evil.listen(0, '127.0.0.1');
  await once(evil, 'listening');
  evilUrl = `http://127.0.0.1:${(evil.address() as AddressInfo).port}`;
});
afterAll(async () => {
  evil.close();
  await victim.stop();
  await world.close();
});

interface Attack {
  readonly variables?: Readonly<Record<string, string>>;
  /** Of the job in .gitlab-ci.yml. */
  readonly keywords?: object;
  /** What GitLab does not say of the job. */
  readonly without?: (payload: JobPayload) => object;
  readonly ends: { readonly state: 'success' | 'failed'; readonly log: RegExp; readonly reason?: string };
}

const RUNS: Attack['ends'] = { state: 'success', log: /the script ran/ };
const failed = (log: RegExp, reason: string): Attack['ends'] => ({ state: 'failed', log, reason });
const TOO_LONG = failed(/longer than 4096 characters once its variables are filled in/, 'script_failure');
const NOT_ALLOWED = failed(/may not use profile gpu/, 'script_failure');
const ANOTHER = {
  CI_JOB_ID: String(VICTIM_ID),
  CI_PROJECT_ID: String(VICTIM_PROJECT),
  CI_PROJECT_PATH: 'ml/secret',
  CI_JOB_TIMEOUT: '2678400',
  CI_COMMIT_REF_PROTECTED: 'true',
  CI_PIPELINE_ID: '1',
  GITLAB_USER_LOGIN: 'root',
};
const LONG = { A: 'x'.repeat(60_000) };
/** The runner itself can't start hooks with variables of more than 128 KiB. */
const SHORT = { A: 'x'.repeat(300), B: '$A$A' };
const GROWS = '$$A'.repeat(4_200);

const attacks = (): Readonly<Record<string, Attack>> => ({
  'all of another': {
    variables: { ...ANOTHER, CI_SERVER_URL: evilUrl, CI_API_V4_URL: `${evilUrl}/api/v4` },
    ends: RUNS,
  },
  // The runner fills CI_PROJECT_DIR in once it knows where the job lives: after config.
  'another in config alone': {
    variables: { CI_JOB_ID: `${VICTIM_ID}$CI_PROJECT_DIR`, CI_PROJECT_ID: `${VICTIM_PROJECT}$CI_PROJECT_DIR` },
    ends: RUNS,
  },
  'another server in config alone': { variables: { CI_SERVER_URL: `${evilUrl}$CI_PROJECT_DIR` }, ends: RUNS },
  'another later': { variables: { CI_JOB_ID: '$CI_PROJECT_DIR', CI_SERVER_URL: '$CI_PROJECT_DIR' }, ends: RUNS },
  'what our hooks hand on': {
    variables: {
      GITLAB_SPOT_JOB: '{}',
      GITLAB_SPOT_ATTEMPT: '7',
      GITLAB_SPOT_STATE_DIR: '/nowhere',
      GITLAB_SPOT_GITLAB_URL: '/nowhere',
      GITLAB_SPOT_UP_QUEUE: '/nowhere',
      GITLAB_SPOT_UP_SLOTS: '0',
      PULUMI_BACKEND_URL: 'file:///nowhere',
      JOB_RESPONSE_FILE: '/nowhere',
      BUILD_EXIT_CODE_FILE: '/nowhere',
      BUILD_FAILURE_EXIT_CODE: '0',
      SYSTEM_FAILURE_EXIT_CODE: '0',
      NODE_OPTIONS: '--require /nowhere',
    },
    ends: RUNS,
  },
  'tokens with the names of GitLab’s own': {
    keywords: Object.fromEntries([
      [
        'id_tokens',
        Object.fromEntries(['CI_SERVER_URL', 'CI_PROJECT_PATH', 'CI_JOB_ID'].map((name) => [name, { aud: 'x' }])),
      ],
    ]),
    ends: RUNS,
  },
  'an alias that grows': { variables: LONG, keywords: { services: [{ name: 'redis', alias: GROWS }] }, ends: TOO_LONG },
  'an alias that grows twice': {
    variables: { ...SHORT, CI_JOB_ID: String(VICTIM_ID) },
    keywords: { services: [{ name: 'redis', alias: '$B'.repeat(100) }] },
    ends: TOO_LONG,
  },
  // The runner fills an image's name in by itself, and hands over what became of it.
  'an image that grows': {
    variables: SHORT,
    keywords: { image: `java:${'$$A$B'.repeat(50)}` },
    ends: failed(/longer than 4096 characters|its instance has no docker/, 'script_failure'),
  },
  'a profile that it may not have': { variables: { ...ANOTHER, SPOT_PROFILE: 'gpu' }, ends: NOT_ALLOWED },
  'that profile, later': {
    variables: { ...ANOTHER, SPOT_PROFILE: 'gpu$CI_PROJECT_DIR' },
    ends: failed(/no profile "gpu\//, 'script_failure'),
  },
  'no project': {
    without: ({ job_info: job }) => ({ job_info: { ...job, project_id: 0, project_full_path: '' } }),
    variables: ANOTHER,
    ends: failed(/does not tell its project/, 'runner_system_failure'),
  },
  'no timeout, no protection': {
    without: ({ git_info: git }) => ({ git_info: { ...git, protected: undefined } }),
    variables: { ...ANOTHER, SPOT_PROFILE: 'gpu' },
    ends: NOT_ALLOWED,
  },
});

function pageWithGpu(): string {
  const page = readFileSync(path.resolve(__dirname, '../../stacks/instances.yaml'), 'utf8');
  const gpu = '\n  gpu: { types: [ecs.c7.xlarge], allow: { projects: [ml/*], protectedRefs: true } }\n';
  const file = path.join(world.sandbox.directory, 'profiles-identity.yaml');
  writeFileSync(file, `${page.trimEnd()}\n${gpu}`);
  return file;
}

function pipelineOf(all: Readonly<Record<string, Attack>>): string {
  const jobs = Object.entries(all).map(([name, { variables = {}, keywords = {} }]) => [
    name,
    { variables: { GIT_STRATEGY: 'none', ...variables }, script: ['echo the script ran'], ...keywords },
  ]);
  return JSON.stringify(Object.fromEntries(jobs));
}

/** The victim, as if it ran on this very host. */
function letVictimRun(store: RecordStore, serverUrl: string): string {
  const identity = jobIdentity(serverUrl, VICTIM_ID, 1);
  const { address, port, user, hostPublicKey, privateKey } = victim.target;
  const instance = { ...instanceFacts, address, sshPort: port, sshUser: user, hostPublicKey };
  const mine = { ...preparingRecord(VICTIM_ID), identity, serverUrl, project: 'ml/secret', projectId: VICTIM_PROJECT };
  store.write({ ...mine, phase: 'running', instance });
  writeFileSync(store.files(identity.stackName).privateKey, privateKey, { mode: 0o600 });
  return identity.stackName;
}

function runner(profiles: string): StartRunner {
  const program = programOn(process.env.PATH ?? '', 'gitlab-runner');
  return (project, onEvent) => {
    const environment = world.environment({
      GITLAB_SPOT_PROFILES_FILE: profiles,
      GITLAB_SPOT_GITLAB_URL: project.gitlab.url,
      GITLAB_SPOT_GITLAB_TOKEN: ACCESS_TOKEN,
      GITLAB_SPOT_RETRY: '1',
    });
    const common = { hooks: builtHooks(), environment, concurrency: 2 };
    const directory = mkdtempSync(path.join(world.sandbox.directory, 'gitlab-runner-'));
    const start = program
      ? realRunner({ ...common, program, directory, gracefulKillSeconds: 60 })
      : standInRunner({ ...common, limits: { retryPauseMs: 50 } });
    return start(project, onEvent);
  };
}

/** GitLab leaves out what an attack says that it does. */
function leavingOut(project: Project, all: Readonly<Record<string, Attack>>): void {
  const { jobs } = project;
  const add = jobs.add.bind(jobs);
  jobs.add = (payload, tags) => add({ ...payload, ...all[payload.job_info.name]?.without?.(payload) }, tags);
}

const ending = ({ state, failureReason, log }: JobResult): string =>
  `${state} ${failureReason ?? ''}\n${readable(log)}`;

test('whatever a job says, it is nobody else: not in records, ledger, stacks or profile, and its token goes nowhere', async () => {
  const all = attacks();
  const store = new RecordStore(path.join(world.sandbox.directory, 'state'));
  const repository = repositoryWith({ '.gitlab-ci.yml': pipelineOf(all) });
  let victimName = '';
  const recordOfVictim = (): string => readFileSync(store.files(victimName).record, 'utf8');
  let before = '';
  const { jobs } = await runPipeline(
    { repository, firstJobId: FIRST_ID, variables: {} },
    runner(pageWithGpu()),
    () => undefined,
    (project) => {
      leavingOut(project, all);
      victimName = letVictimRun(store, project.gitlab.url);
      before = recordOfVictim();
    },
  );
  rmSync(repository, { recursive: true });

  const told = Object.fromEntries(jobs.map((job) => [job.name, ending(job)]));
  const wanted = Object.entries(all).map(([name, { ends }]) => [
    name,
    expect.stringMatching(new RegExp(`^${ends.state} ${ends.reason ?? ''}\\n[^]*(${ends.log.source})`)),
  ]);
  expect(told).toEqual(Object.fromEntries(wanted));
  expect(Object.values(told).filter((one) => /defect of gitlab-spot|\n {4}at /.test(one))).toEqual([]);
  expect(recordOfVictim()).toBe(before);
  expect([victim.logins(), visits]).toEqual([0, 0]);
  store.remove(victimName);

  expect(await world.gitlabSpot(['drain', '--wait', '60s'])).toMatchObject({ exitCode: 0 });
  const ledger = new Ledger(path.join(world.sandbox.directory, 'state', 'ledger'));
  const { entries } = await ledger.entries({ from: '2000-01-01', to: '2999-12-31' });
  const paid = entries.map(({ jobId }) => jobId);
  const ran = jobs.filter(({ state }) => state === 'success').map(({ id }) => id);
  expect(paid).toEqual(expect.arrayContaining(ran));
  expect(paid.filter((jobId) => !jobs.some(({ id }) => id === jobId))).toEqual([]);
  expect(new Set(entries.map(({ projectId, profile }) => `${projectId} ${profile}`))).toEqual(new Set(['42 standard']));
  expect(await world.leftovers()).toEqual([]);
});
