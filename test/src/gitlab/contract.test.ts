import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from '../../support/property';
import { HostError } from '../../../src/errors';
import { findOutJob, readExitCodes, readHookContext } from '../../../src/gitlab/contract';
import { parseJobResponse } from '../../../src/gitlab/job-response';
import { jobEnv, jobFacts } from '../../support/job-env';
import { responseShape } from '../../sandbox/runner/runner-words';
import { hookEnvironment, jobPayload, responseFacts, runFacts, RUNNER_VERSIONS } from '../../support/runner-facts';

const env = jobEnv();

describe('a hook’s environment', () => {
  test('needs no more than who the job is', () => {
    expect(readHookContext({ GITLAB_SPOT_JOB: env.GITLAB_SPOT_JOB })).toMatchObject({
      response: undefined,
      job: {
        jobId: 1001,
        timeoutMs: 3_600_000,
        attempt: undefined,
        verified: true,
        choice: { profile: undefined, debugKeepMs: undefined, noRetry: false },
        files: { jobResponse: undefined, buildExitCode: undefined },
        exitCodes: { buildFailure: 1, systemFailure: 2 },
      },
    });
  });

  test('carries the size that the job asks for as it was written', () => {
    const asked = { CUSTOM_ENV_SPOT_CPU: ' 8 ', CUSTOM_ENV_SPOT_DISK: '', CUSTOM_ENV_SPOT_ARCH: 'arm64' };
    expect(readHookContext({ ...env, ...asked }).job.choice.size).toEqual({
      vcpu: '8',
      memoryGiB: undefined,
      diskGiB: undefined,
      architecture: 'arm64',
    });
    expect(readHookContext({ ...env, CUSTOM_ENV_SPOT_CPU: '' }).job.choice.size).toBeUndefined();
  });

  test.each([[undefined], [''], ['abc'], ['-1'], ['1e3'], ['../7']])('with job id %s is none for config', (id) => {
    expect(() => findOutJob({ CUSTOM_ENV_CI_JOB_ID: id })).toThrow(HostError);
  });

  test.each([
    [undefined],
    [''],
    ['{'],
    ['7'],
    ['{"verified":true}'],
    [JSON.stringify({ ...jobFacts(), serverUrl: 'file:///etc' })],
    [JSON.stringify({ ...jobFacts(), timeoutSeconds: 1e9 })],
  ])('that hands on %s ends as a system failure, whatever the job’s variables say', (handedOn) => {
    const hook = () => readHookContext({ CUSTOM_ENV_CI_JOB_ID: '7', GITLAB_SPOT_JOB: handedOn });
    expect(hook).toThrow(HostError);
    expect(hook).toThrow(/config hook did not say which job/);
  });

  test('takes nothing about the job from its variables', () => {
    const { job } = readHookContext({
      ...env,
      CUSTOM_ENV_CI_JOB_ID: '5',
      CUSTOM_ENV_CI_SERVER_URL: 'https://evil.example',
      CUSTOM_ENV_CI_PROJECT_ID: '5',
      CUSTOM_ENV_CI_PROJECT_PATH: 'ml/secret',
      CUSTOM_ENV_CI_COMMIT_REF_NAME: 'main',
      CUSTOM_ENV_CI_COMMIT_REF_PROTECTED: 'true',
      CUSTOM_ENV_CI_JOB_TIMEOUT: '999999999',
      CUSTOM_ENV_GITLAB_SPOT_JOB: JSON.stringify(jobFacts({ jobId: 5 })),
    });
    expect(job).toMatchObject({
      jobId: 1001,
      serverUrl: 'https://gitlab.example.com',
      project: { id: 42, path: 'root/demo' },
      ref: { name: 'main', protected: false },
      timeoutMs: 3_600_000,
    });
  });

  test('takes the job’s choices', () => {
    const { choice } = readHookContext({
      ...env,
      CUSTOM_ENV_SPOT_PROFILE: ' large ',
      CUSTOM_ENV_SPOT_DEBUG_KEEP: '1h30m',
      CUSTOM_ENV_SPOT_NO_RETRY: 'true',
    }).job;
    expect(choice).toEqual({ profile: 'large', debugKeepMs: 5_400_000, noRetry: true });
  });

  test('gives the attempt only through job_env, which no job can write', () => {
    expect(readHookContext({ ...env, GITLAB_SPOT_ATTEMPT: '3' }).job.attempt).toBe(3);
    expect(
      readHookContext({ ...env, GITLAB_SPOT_ATTEMPT: undefined, CUSTOM_ENV_GITLAB_SPOT_ATTEMPT: '3' }).job.attempt,
    ).toBeUndefined();
  });

  test.each([
    [{ CUSTOM_ENV_CI_SERVER_URL: 'https://a.example:8443/' }, 'https://a.example:8443'],
    [{ CUSTOM_ENV_CI_SERVER_URL: 'https://a.example/gitlab' }, 'https://a.example/gitlab'],
    [
      {
        CUSTOM_ENV_CI_SERVER_HOST: 'b.example',
        CUSTOM_ENV_CI_SERVER_PORT: '8080',
        CUSTOM_ENV_CI_SERVER_PROTOCOL: 'http',
      },
      'http://b.example:8080',
    ],
    [{ CUSTOM_ENV_CI_JOB_URL: 'https://c.example/root/demo/-/jobs/7' }, 'https://c.example'],
  ])('of a runner without job response tells the server from %j', (variables, url) => {
    expect(findOutJob({ CUSTOM_ENV_CI_JOB_ID: '7', ...variables })).toMatchObject({ serverUrl: url, verified: false });
  });

  test('is never an exception of ours, whatever stands in it', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^(CUSTOM_ENV_)?[A-Z_]{1,20}$/), fc.string()),
        fc.string(),
        (variables, id) => {
          try {
            const facts = JSON.stringify(findOutJob({ ...variables, CUSTOM_ENV_CI_JOB_ID: id }));
            readHookContext({ ...variables, GITLAB_SPOT_JOB: facts });
          } catch (error) {
            expect(error).toBeInstanceOf(HostError);
          }
        },
      ),
    );
  });

  test.each([
    [{}, { buildFailure: 1, systemFailure: 2 }],
    [
      { BUILD_FAILURE_EXIT_CODE: '65', SYSTEM_FAILURE_EXIT_CODE: '70' },
      { buildFailure: 65, systemFailure: 70 },
    ],
    [
      { BUILD_FAILURE_EXIT_CODE: 'x', SYSTEM_FAILURE_EXIT_CODE: '0' },
      { buildFailure: 1, systemFailure: 2 },
    ],
  ])('%j has exit codes %j', (variables, codes) => {
    expect(readExitCodes(variables)).toEqual(codes);
  });
});

describe('a job response', () => {
  test('of any shape is read as far as it can be', () => {
    fc.assert(
      fc.property(
        fc.object({
          key: fc.constantFrom('id', 'variables', 'image', 'services', 'steps', 'credentials', 'cache', 'x'),
        }),
        (value) => {
          expect(() => parseJobResponse(value)).not.toThrow();
        },
      ),
    );
  });

  test.each([[null], [7], ['text'], [[]]])('that is %j is none', (value) => {
    expect(parseJobResponse(value)).toBeUndefined();
  });

  test('keeps the good among the bad', () => {
    const response = parseJobResponse({
      services: [{ name: 'redis:7' }, 7, { alias: 'x' }],
      steps: [{ name: 'script' }, {}],
    });
    expect(response?.services.map((one) => one.name)).toEqual(['redis:7']);
    expect(response?.steps).toEqual([{ name: 'script', when: 'on_success' }]);
  });
});

describe('the hooks of real runners', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'contract-'))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** JOB_RESPONSE_FILE as a runner of this version writes it. */
  const responseFile = (version: string, name: string) => responseShape(responseFacts[version]!, jobPayload(name));

  test.each(Object.keys(RUNNER_VERSIONS))('of version %s are understood', (version) => {
    const file = path.join(directory, 'response.json');
    writeFileSync(file, JSON.stringify(responseFile(version, 'clone-build')));
    const prepare = runFacts(version, 'clone-build').hooks.findIndex(({ hook }) => hook === 'prepare');
    const environment = { ...hookEnvironment(version, 'clone-build', prepare), JOB_RESPONSE_FILE: file };
    const { job } = readHookContext({ ...environment, GITLAB_SPOT_JOB: JSON.stringify(findOutJob(environment)) });
    expect(job).toMatchObject({
      serverUrl: 'http://127.0.0.1:8929',
      jobId: 1001,
      jobName: 'build',
      pipelineId: 7,
      project: { id: 42, path: 'root/demo' },
      ref: { name: 'main', protected: true },
      userLogin: 'root',
      runner: { id: '1', shortToken: 'recorded0', version },
      timeoutMs: 3_600_000,
      startedAt: new Date('2026-11-24T12:00:00Z'),
    });
    expect(job.files.buildExitCode === undefined).toBe(version === '17.4.0');
  });

  test('with image, services, cache and artifacts are read whole', () => {
    const response = parseJobResponse(responseFile('19.3.0', 'image-services-cache-artifacts'));
    expect(response).toMatchObject({
      image: {
        name: 'registry.example.com/team/java:23',
        entrypoint: ['/bin/sh', '-c'],
        pullPolicies: ['if-not-present'],
      },
      services: [
        {
          name: 'postgres:16',
          alias: 'db',
          command: ['postgres', '-c', 'fsync=off'],
          variables: [{ key: 'POSTGRES_PASSWORD', value: 'secret', raw: false }],
        },
        { name: 'redis:7', alias: '' },
      ],
      registryCredentials: [{ url: 'registry.example.com', username: 'gitlab-ci-token', password: 'glcbt-job-1003' }],
      steps: [{ name: 'script' }, { name: 'after_script', when: 'always' }],
      usesCache: true,
      usesArtifacts: true,
    });
    expect(response?.maskedValues).toContain('glcbt-job-1003');
  });

  it.each([
    ['paths', { paths: ['node_modules'] }, true],
    ['untracked files alone', { untracked: true }, true],
    ['untracked files, and no paths', { untracked: true, paths: null }, true],
    ['neither', { key: 'k', untracked: false, paths: [] }, false],
  ])('a cache of %s: used %s', (_what, cache, used) => {
    const parsed = parseJobResponse({ cache: [{ key: 'k', policy: 'pull-push', when: 'always', ...cache }] });
    expect([parsed?.usesCache, parsed?.savesCache]).toEqual([used, used ? ['always'] : []]);
  });
});
