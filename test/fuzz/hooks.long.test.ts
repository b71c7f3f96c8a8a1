import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import fc from '../support/property';
import type { JobRecord } from '../../src/jobs/types';
import { jobEnv } from '../support/job-env';
import { destroyingRecord, instanceFacts, preparingRecord } from '../support/job-record';
import { REFUSAL } from './answers';
import { BUILD_FAILURE, CANARY, hostileText, hostileVariable, mutatedText, runs, SYSTEM_FAILURE } from './support';

/**
 * The built hooks themselves, with what comes from outside spoilt: exit code, one sentence, nothing
 * run, nothing left.
 */
if (process.env.FUZZ_RUNS === undefined) jest.setTimeout(240_000);

const dist = path.resolve(__dirname, '../../dist');
let directory: string;
let server: Server;
let endpoint: string;
let answer: { readonly status: number; readonly body: (action: string) => string };
const LISTS = { RequestId: 'R', TotalCount: 0 };

beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'fuzz-hooks-'));
  server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () =>
      response.writeHead(answer.status).end(answer.body(new URLSearchParams(text).get('Action') ?? '')),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  rmSync(CANARY, { force: true });
});
beforeEach(() => (answer = { status: 200, body: () => JSON.stringify(LISTS) }));
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let case_ = 0;
/** A host of one case's own. */
function newHost() {
  const folder = path.join(directory, String(case_++));
  for (const name of ['state', 'backend', 'home', 'tmp'])
    mkdirSync(path.join(folder, name), { recursive: true, mode: 0o700 });
  writeFileSync(
    path.join(folder, 'profiles.yaml'),
    'default: standard\nprofiles:\n  standard: { types: [ecs.c7.xlarge], image: m-1 }\n',
  );
  writeFileSync(path.join(folder, 'passphrase'), 'open sesame', { mode: 0o600 });
  const environment: Record<string, string> = {
    PATH: `${path.join(dist, 'sandbox/bin')}${path.delimiter}${path.dirname(process.execPath)}${path.delimiter}/usr/bin:/bin`,
    HOME: path.join(folder, 'home'),
    TMPDIR: path.join(folder, 'tmp'),
    GITLAB_SPOT_ENV_FILE: '',
    GITLAB_SPOT_STATE_DIR: path.join(folder, 'state'),
    GITLAB_SPOT_PROFILES_FILE: path.join(folder, 'profiles.yaml'),
    GITLAB_SPOT_EXECUTOR_CIDR: '127.0.0.1/32',
    GITLAB_SPOT_CLEANUP: 'wait',
    GITLAB_SPOT_VPC_ID: 'vpc-1',
    PULUMI_BACKEND_URL: `file://${path.join(folder, 'backend')}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: path.join(folder, 'passphrase'),
    ALICLOUD_REGION: 'cn-hangzhou',
    ALICLOUD_ACCESS_KEY: 'id',
    ALICLOUD_SECRET_KEY: 'secret-of-the-host',
    ECS_ENDPOINT: endpoint,
    VPC_ENDPOINT: endpoint,
    CUSTOM_ENV_CI_JOB_ID: '1001',
    CUSTOM_ENV_CI_SERVER_URL: 'https://gitlab.example.com',
    ...jobEnv(),
    BUILD_FAILURE_EXIT_CODE: String(BUILD_FAILURE),
    SYSTEM_FAILURE_EXIT_CODE: String(SYSTEM_FAILURE),
  };
  const run = (
    program: string,
    args: readonly string[] = [],
    more: Readonly<Record<string, string>> = {},
  ): Promise<Ended> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [path.join(dist, program), ...args], {
        env: { ...environment, ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.once('error', reject).once('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
    });
  const place = (record: string): void => {
    const job = path.join(folder, 'state/jobs', STACK);
    mkdirSync(job, { recursive: true, mode: 0o700 });
    writeFileSync(path.join(job, 'record.json'), record);
  };
  const pulumi = path.join(folder, 'backend/.pulumi');
  const write = (file: string, text: string): void => {
    mkdirSync(path.dirname(path.join(pulumi, file)), { recursive: true });
    writeFileSync(path.join(pulumi, file), text);
  };
  write('meta.yaml', 'version: 1\n');
  const backendFiles = (): string[] =>
    readdirSync(pulumi, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.attrs'))
      .map((entry) => entry.name);
  return { folder, run, place, write, backendFiles, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
type Host = ReturnType<typeof newHost>;

async function onHost(work: (host: Host) => Promise<void>): Promise<void> {
  const host = newHost();
  try {
    await work(host);
  } finally {
    host.remove();
  }
}

const STACK = preparingRecord().identity.stackName;
const JOB = {
  id: 1001,
  job_info: { project_id: 7, project_full_path: 'team/app', name: 'build' },
  git_info: { repo_url: 'https://gitlab.example.com/team/app.git', ref: 'main' },
  variables: [{ key: 'CI_PROJECT_PATH', value: 'team/app' }],
  image: { name: 'java:23' },
};
const NAMES = [
  ...['CI_JOB_ID', 'CI_SERVER_URL', 'CI_JOB_NAME', 'CI_PROJECT_PATH', 'CI_COMMIT_REF_NAME', 'CI_JOB_TIMEOUT'],
  ...['SPOT_PROFILE', 'SPOT_DEBUG_KEEP', 'GITLAB_USER_LOGIN', 'CI_RUNNER_ID', 'CI_RUNNER_VERSION', 'CI_JOB_STATUS'],
  ...['LD_PRELOAD', 'NODE_OPTIONS', 'PATH', 'GITLAB_SPOT_STATE_DIR', 'PULUMI_BACKEND_URL', 'DOCKER_AUTH_CONFIG'],
];
const variables = fc
  .dictionary(fc.constantFrom(...NAMES), hostileVariable, { minKeys: 1, maxKeys: 6 })
  .map((given) => Object.fromEntries(Object.entries(given).map(([name, value]) => [`CUSTOM_ENV_${name}`, value])));

/** At most one sentence of failure in the log, and not one word of a defect. */
function expectClean({ exitCode, stdout, stderr }: Ended, allowed: readonly number[]): void {
  const log = `${stdout}\n${stderr}`;
  expect({
    exitCode,
    allowed: allowed.includes(exitCode ?? -1),
    log: allowed.includes(exitCode ?? -1) ? '' : log,
  }).toMatchObject({ allowed: true });
  expect(log).not.toMatch(/^\s+at .*[:(]\d+/m);
  expect(log).not.toMatch(/defect of gitlab-spot|UnhandledPromise|secret-of-the-host/);
  expect((log.match(/ERROR: /g) ?? []).length).toBe(exitCode === 0 ? 0 : 1);
  expect(existsSync(CANARY)).toBe(false);
}

test('config and cleanup with hostile variables and a spoilt job description: an answer, or one sentence', async () => {
  await fc.assert(
    fc.asyncProperty(variables, mutatedText(JOB), (given, response) =>
      onHost(async (host) => {
        const file = path.join(host.folder, 'tmp/job.json');
        writeFileSync(file, response);
        const more = { ...given, JOB_RESPONSE_FILE: file };
        const configured = await host.run('executor/config.js', [], more);
        expectClean(configured, [0, SYSTEM_FAILURE]);
        if (configured.exitCode === 0)
          expect(JSON.parse(configured.stdout)).toMatchObject({
            builds_dir: '/builds',
            job_env: { GITLAB_SPOT_ATTEMPT: '1' },
          });
        expectClean(await host.run('executor/cleanup.js', [], more), [0, SYSTEM_FAILURE]);
        expect(readdirSync(host.folder).sort()).toEqual([
          'backend',
          'home',
          'passphrase',
          'profiles.yaml',
          'state',
          'tmp',
        ]);
      }),
    ),
    runs(4, 250),
  );
});

test('prepare: what the job’s author got wrong is a build failure; a cloud that refuses is not', async () => {
  await fc.assert(
    fc.asyncProperty(variables, fc.boolean(), hostileText, (given, chooses, message) =>
      onHost(async (host) => {
        answer = { status: 403, body: () => JSON.stringify({ ...REFUSAL, Code: 'Forbidden.RAM', Message: message }) };
        const { CUSTOM_ENV_SPOT_PROFILE: profile = '', ...others } = given;
        const more = {
          ...others,
          CUSTOM_ENV_CI_JOB_ID: '1001',
          ...(chooses ? { CUSTOM_ENV_SPOT_PROFILE: `x${profile}` } : {}),
        };
        const ended = await host.run('executor/prepare.js', [], more);
        expectClean(ended, [chooses ? BUILD_FAILURE : SYSTEM_FAILURE]);
      }),
    ),
    runs(3, 500),
  );
});

const RECORDS: readonly JobRecord[] = [
  {
    ...preparingRecord(),
    phase: 'running',
    instance: { ...instanceFacts, address: '127.0.0.1', sshPort: 1 },
    releaseAt: '2026-11-24T14:00:00Z',
  },
  destroyingRecord(),
];
const record = fc.constantFrom(...RECORDS).chain((one) => mutatedText(JSON.parse(JSON.stringify(one))));

test('run and cleanup with a damaged record: a system failure in one sentence, and the stack goes all the same', async () => {
  await fc.assert(
    fc.asyncProperty(record, (text) =>
      onHost(async (host) => {
        host.place(text);
        const script = path.join(host.folder, 'tmp/script');
        writeFileSync(script, `touch ${CANARY}\n`);
        expectClean(
          await host.run('executor/run.js', [script, 'build_script'], { GITLAB_SPOT_RECONNECT_TIMEOUT: '1' }),
          [SYSTEM_FAILURE],
        );
        expectClean(await host.run('executor/cleanup.js'), [0]);
        expect(readdirSync(path.join(host.folder, 'state/jobs'))).toEqual([]);
      }),
    ),
    runs(4, 500),
  );
});

test('run with a key that others may read is refused, as OpenSSH does', async () => {
  await onHost(async (host) => {
    host.place(JSON.stringify(RECORDS[0]));
    writeFileSync(path.join(host.folder, 'state/jobs', STACK, 'id_ed25519'), 'key', { mode: 0o644 });
    const ended = await host.run('executor/run.js', [path.join(host.folder, 'profiles.yaml'), 'build_script']);
    expectClean(ended, [SYSTEM_FAILURE]);
    expect(ended.stderr).toMatch(/Others may read the job's key .*id_ed25519 \(mode 0644\)/);
  });
});

const CHECKPOINT = {
  version: 3,
  checkpoint: {
    stack: `organization/gitlab-spot/${STACK}`,
    latest: {
      manifest: { time: '2026-11-24T12:00:00Z', magic: 'x', version: 'v3.260.0' },
      secrets_providers: { type: 'passphrase', state: { salt: 'v1:AAAA:v1:BBBB:CCCC' } },
      resources: [
        {
          urn: `urn:pulumi:${STACK}::gitlab-spot::pulumi:pulumi:Stack::gitlab-spot-${STACK}`,
          custom: false,
          type: 'pulumi:pulumi:Stack',
        },
      ],
      pending_operations: [
        {
          type: 'creating',
          resource: {
            urn: `urn:pulumi:${STACK}::gitlab-spot::alicloud:ecs/instance:Instance::i`,
            custom: true,
            type: 'alicloud:ecs/instance:Instance',
          },
        },
      ],
    },
  },
};

test.each([
  ['a checkpoint that was cut off', '{"version":3,"checkpoint":{"stack":"organiz', undefined],
  ['an empty checkpoint', '', undefined],
  ['an empty lock', '{"version":0,"checkpoint":{"stack":"x"}}', ''],
])('cleanup with %s: the stack goes all the same', async (_title, checkpoint, lock) => {
  await onHost(async (host) => {
    host.write(`stacks/gitlab-spot/${STACK}.json`, checkpoint);
    if (lock !== undefined) host.write(`locks/organization/gitlab-spot/${STACK}/a.json`, lock);
    host.place(JSON.stringify(RECORDS[1]));
    expectClean(await host.run('executor/cleanup.js'), [0]);
    expect(readdirSync(path.join(host.folder, 'state/jobs'))).toEqual([]);
    expect(host.backendFiles()).toEqual(['meta.yaml']);
  });
});

test('cleanup and reap with a damaged checkpoint or lock: done, or one sentence that says what is in the way', async () => {
  await fc.assert(
    fc.asyncProperty(
      mutatedText(CHECKPOINT),
      fc.option(mutatedText({ pid: 1, username: 'root', hostname: 'vm', timestamp: '2026-11-24T12:00:00Z' })),
      (checkpoint, lock) =>
        onHost(async (host) => {
          host.write(`stacks/gitlab-spot/${STACK}.json`, checkpoint);
          if (lock !== null) host.write(`locks/organization/gitlab-spot/${STACK}/a.json`, lock);
          host.place(JSON.stringify(RECORDS[1]));
          const ended = await host.run('executor/cleanup.js');
          expect(`${ended.stdout}${ended.stderr}`).not.toMatch(/^\s+at .*[:(]\d+/m);
          expect([0, SYSTEM_FAILURE]).toContain(ended.exitCode);
          const reaped = await host.run('cli/gitlab-spot.js', ['reap', '--grace', '0s', '--dry-run', '--json']);
          expect(`${reaped.stdout}${reaped.stderr}`).not.toMatch(/^\s+at .*[:(]\d+|defect of gitlab-spot/m);
        }),
    ),
    runs(3, 500),
  );
});
