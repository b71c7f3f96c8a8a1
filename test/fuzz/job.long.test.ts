import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from '../support/property';
import { checkBudget } from '../../src/billing/budget';
import { containerEnvironment, serviceVariables } from '../../src/containers/variables';
import { serviceAliases } from '../../src/containers/names';
import { findOutJob, readHookContext } from '../../src/gitlab/contract';
import { createJobLog } from '../../src/gitlab/job-log';
import { parseJobResponse } from '../../src/gitlab/job-response';
import { isLastStage } from '../../src/gitlab/last-stage';
import { jobIdentity, jobTags, MAX_STACK_NAME, parseStackName } from '../../src/jobs/identity';
import { releaseTime } from '../../src/prepare/stack-args';
import { chooseProfile } from '../../src/settings/choose-profile';
import { parseProfiles } from '../../src/settings/profiles';
import { clearly, expectNoPollution, hostileText, hostileVariable, mutated, mutatedText, runs } from './support';

/** A job as GitLab hands it out, with all that we read. */
const JOB = {
  id: 1001,
  job_info: { name: 'build', stage: 'build', project_id: 7, project_name: 'app', project_full_path: 'team/app' },
  git_info: {
    repo_url: 'https://x:y@gitlab.example.com/team/app.git',
    ref: 'main',
    protected: true,
    refspecs: ['+refs/heads/main'],
  },
  runner_info: { timeout: 3600 },
  variables: [
    { key: 'CI_SERVER_URL', value: 'https://gitlab.example.com', public: true },
    { key: 'CI_PROJECT_PATH', value: 'team/app', public: true },
    { key: 'CI_COMMIT_REF_PROTECTED', value: 'true', public: true },
    { key: 'SECRET', value: 'hush', masked: true },
    { key: 'KEY_FILE', value: 'hush', file: true, masked: true },
  ],
  image: {
    name: 'java:23',
    entrypoint: ['sh'],
    pull_policy: ['always', 'never'],
    executor_opts: { docker: { user: 'app', platform: 'linux/amd64' } },
  },
  services: [{ name: 'db:16', alias: 'db', command: ['run'], entrypoint: null, variables: [{ key: 'A', value: 'b' }] }],
  credentials: [{ type: 'registry', url: 'registry.example.com', username: 'u', password: 'p' }],
  steps: [{ name: 'script', when: 'on_success' }, { name: 'after_script' }],
  artifacts: [{ when: 'always', paths: ['out'] }],
  cache: [{ key: 'k', paths: ['cache'], policy: 'pull-push', when: 'on_success' }],
  dependencies: [{ id: 1, artifacts_file: { filename: 'artifacts.zip', size: 3 } }],
};

const ENVIRONMENT = {
  CUSTOM_ENV_CI_JOB_ID: '1001',
  CUSTOM_ENV_CI_SERVER_URL: 'https://gitlab.example.com',
  CUSTOM_ENV_CI_SERVER_PROTOCOL: 'https',
  CUSTOM_ENV_CI_SERVER_HOST: 'gitlab.example.com',
  CUSTOM_ENV_CI_SERVER_PORT: '443',
  CUSTOM_ENV_CI_JOB_NAME: 'build',
  CUSTOM_ENV_CI_JOB_STAGE: 'build',
  CUSTOM_ENV_CI_JOB_URL: 'https://gitlab.example.com/team/app/-/jobs/1001',
  CUSTOM_ENV_CI_JOB_STARTED_AT: '2026-11-24T12:00:00Z',
  CUSTOM_ENV_CI_JOB_TIMEOUT: '3600',
  CUSTOM_ENV_CI_PIPELINE_ID: '12',
  CUSTOM_ENV_CI_PROJECT_ID: '7',
  CUSTOM_ENV_CI_PROJECT_PATH: 'team/app',
  CUSTOM_ENV_CI_COMMIT_REF_NAME: 'main',
  CUSTOM_ENV_CI_COMMIT_REF_PROTECTED: 'true',
  CUSTOM_ENV_GITLAB_USER_LOGIN: 'root',
  CUSTOM_ENV_CI_RUNNER_ID: '3',
  CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN: 'abc',
  CUSTOM_ENV_CI_RUNNER_VERSION: '18.1.0',
  CUSTOM_ENV_SPOT_PROFILE: 'standard',
  CUSTOM_ENV_SPOT_DEBUG_KEEP: '30m',
  CUSTOM_ENV_SPOT_NO_RETRY: '1',
  GITLAB_SPOT_ATTEMPT: '1',
  BUILD_FAILURE_EXIT_CODE: '1',
  SYSTEM_FAILURE_EXIT_CODE: '2',
};

const page = parseProfiles(
  `default: standard
profiles:
  standard: { types: [ecs.c7.xlarge], image: m-1, debugKeepMax: 1h }
  gpu: { types: [ecs.gn6i-c4g1.xlarge], allow: { projects: [ml/*], protectedRefs: true } }
`,
  'instances.yaml',
);

const directory = mkdtempSync(path.join(os.tmpdir(), 'fuzz-job-'));
const file = path.join(directory, 'job.json');
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const environments = fc
  .dictionary(fc.constantFrom(...Object.keys(ENVIRONMENT)), hostileVariable, { maxKeys: 6 })
  .map((changes) => ({ ...ENVIRONMENT, ...changes }) as Record<string, string>);

/** The ways of a job through what reads it, up to where a machine would be made. */
function through(variables: Readonly<Record<string, string>>): void {
  const facts = JSON.stringify(findOutJob(variables));
  const { job, response } = readHookContext({ ...variables, GITLAB_SPOT_JOB: facts });
  const attempt = job.attempt ?? 1;
  const identity = jobIdentity(job.serverUrl, job.jobId, attempt);
  expect(identity.stackName).toMatch(/^[A-Za-z0-9_.-]+$/);
  expect(identity.stackName.length).toBeLessThanOrEqual(MAX_STACK_NAME);
  expect(parseStackName(identity.stackName)).toEqual({ jobId: job.jobId, attempt });
  const tags = jobTags({
    identity,
    projectPath: job.project.path,
    runnerId: job.runner.id,
    executorId: 'host-1',
    stateDir: '/s',
  });
  for (const value of Object.values(tags)) {
    expect(value.length).toBeLessThanOrEqual(128);
    expect(value).not.toMatch(/https?:\/\/|^aliyun|^acs:/);
  }
  expect(job.startedAt.getTime()).not.toBeNaN();
  expect(job.timeoutMs).toBeGreaterThan(0);
  // The instance's own release time: a job can't keep a machine for ever.
  const atMs = Date.parse(releaseTime(Date.now(), job.timeoutMs));
  expect(atMs).toBeGreaterThan(Date.now());
  expect(atMs).toBeLessThan(Date.now() + 366 * 24 * 3_600_000);
  isLastStage({ stage: 'build_script', failed: false }, response ?? parseJobResponse({})!, job.runner.version);
  const budget = {
    currency: 'CNY',
    monthlyYuan: undefined,
    perProjectYuan: { 'team/app': 5, '*': 5 },
    action: 'refuse',
  } as const;
  expect(() => checkBudget({ budget, project: job.project.path, spent: new Map(), reserved: [] })).not.toThrow();
  for (const one of response?.services ?? []) {
    serviceAliases(one.name, one.alias);
    const { file: lines, exports } = containerEnvironment(serviceVariables(one, response!.variables, {}));
    expect(lines + exports).not.toMatch(/\0/);
  }
  const profile = chooseProfile(page, job);
  expect(Object.keys(page.profiles)).toContain(profile.name);
}

describe('a job from outside', () => {
  test('its variables: a clear error or the right job, and a name that fits everywhere', async () => {
    await fc.assert(
      fc.asyncProperty(environments, async (variables) => {
        await clearly(() => through(variables));
        expectNoPollution();
      }),
      runs(500),
    );
  });

  test('its description by GitLab, mutated: a clear error or the right job', async () => {
    await fc.assert(
      fc.asyncProperty(environments, mutatedText(JOB), async (variables, text) => {
        writeFileSync(file, text);
        await clearly(() => through({ ...variables, JOB_RESPONSE_FILE: file }));
        expectNoPollution();
      }),
      runs(300),
    );
  });

  test('GitLab’s word on who it is wins over the author’s, whatever the author writes', () => {
    fc.assert(
      fc.property(
        environments,
        fc.array(
          fc.record({
            key: fc.constantFrom('CI_PROJECT_PATH', 'CI_SERVER_URL', 'CI_COMMIT_REF_PROTECTED', 'CI_JOB_TIMEOUT'),
            value: hostileText,
            public: fc.boolean(),
          }),
        ),
        fc.boolean(),
        (variables, own, first) => {
          const all = first ? [...own, ...JOB.variables] : [...JOB.variables, ...own];
          writeFileSync(file, JSON.stringify({ ...JOB, variables: all }));
          const facts = JSON.stringify(findOutJob({ ...variables, JOB_RESPONSE_FILE: file }));
          const { job } = readHookContext({ ...variables, GITLAB_SPOT_JOB: facts, JOB_RESPONSE_FILE: file });
          expect(job).toMatchObject({
            jobId: 1001,
            serverUrl: 'https://gitlab.example.com',
            timeoutMs: 3_600_000,
            project: { id: 7, path: 'team/app' },
            ref: { protected: true },
          });
        },
      ),
      runs(200),
    );
  });

  test('what is read of its description has the types that we say', () => {
    fc.assert(
      fc.property(mutated(JOB), (value) => {
        const response = parseJobResponse(value);
        if (response === undefined) return;
        for (const image of [...response.services, ...(response.image ? [response.image] : [])]) {
          expect(image.name).not.toBe('');
          expect(typeof image.name).toBe('string');
          expect([undefined, 'string']).toContain(image.user === undefined ? undefined : typeof image.user);
        }
        for (const one of response.variables) expect([typeof one.key, typeof one.value]).toEqual(['string', 'string']);
        for (const one of response.maskedValues) expect(one).not.toBe('');
      }),
      runs(500),
    );
  });

  test('a line in its log stays one line, and steers no terminal', () => {
    fc.assert(
      fc.property(hostileText, fc.constantFrom('line' as const, 'warn' as const, 'error' as const), (text, kind) => {
        let written = '';
        const log = createJobLog({ write: (chunk: string) => void (written += chunk) } as never);
        log[kind](text);
        const body = written.replace(/^\u001b\[[0-9;]*m/, '').replace(/(\u001b\[0m)?\n$/, '');
        expect(body).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
      }),
      runs(300),
    );
  });
});
