import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from '../../support/property';
import { HostError } from '../../../src/errors';
import { readExitCodes, readHookContext } from '../../../src/gitlab/contract';
import { parseJobResponse } from '../../../src/gitlab/job-response';
import { responseShape } from '../../sandbox/runner/runner-words';
import { hookEnvironment, jobPayload, responseFacts, runFacts, RUNNER_VERSIONS } from '../../support/runner-facts';

const env = { CUSTOM_ENV_CI_JOB_ID: '7', CUSTOM_ENV_CI_SERVER_URL: 'https://g.example' };

describe('a hook’s environment', () => {
  test('needs no more than a job id', () => {
    expect(readHookContext({ CUSTOM_ENV_CI_JOB_ID: '7' })).toMatchObject({
      response: undefined,
      job: {
        jobId: 7,
        timeoutMs: 3_600_000,
        attempt: undefined,
        choice: { profile: undefined, debugKeepMs: undefined, noRetry: false },
        files: { jobResponse: undefined, buildExitCode: undefined },
        exitCodes: { buildFailure: 1, systemFailure: 2 },
      },
    });
  });

  test.each([[undefined], [''], ['abc'], ['-1'], ['1e3'], ['../7']])('with job id %s is none', (id) => {
    expect(() => readHookContext({ CUSTOM_ENV_CI_JOB_ID: id })).toThrow(HostError);
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
    expect(readHookContext({ ...env, CUSTOM_ENV_GITLAB_SPOT_ATTEMPT: '3' }).job.attempt).toBeUndefined();
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
  ])('tells the server from %j', (variables, url) => {
    expect(readHookContext({ CUSTOM_ENV_CI_JOB_ID: '7', ...variables }).job.serverUrl).toBe(url);
  });

  test('is never an exception of ours, whatever stands in it', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^(CUSTOM_ENV_)?[A-Z_]{1,20}$/), fc.string()),
        fc.string(),
        (variables, id) => {
          try {
            readHookContext({ ...variables, CUSTOM_ENV_CI_JOB_ID: id });
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

describe('who the job is', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'contract-'))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test('is GitLab’s word, not what the job’s author set', () => {
    const file = path.join(directory, 'response.json');
    const variables = [
      { key: 'CI_PROJECT_PATH', value: 'web/app' },
      { key: 'CI_COMMIT_REF_PROTECTED', value: 'false' },
      { key: 'CI_SERVER_URL', value: 'https://g.example' },
      { key: 'CI_PROJECT_PATH', value: 'ml/secret' },
      { key: 'CI_COMMIT_REF_PROTECTED', value: 'true' },
    ];
    writeFileSync(file, JSON.stringify({ id: 1001, job_info: { project_id: 42 }, variables }));
    const { job } = readHookContext({
      CUSTOM_ENV_CI_JOB_ID: '5',
      CUSTOM_ENV_CI_PROJECT_PATH: 'ml/secret',
      CUSTOM_ENV_CI_COMMIT_REF_PROTECTED: 'true',
      CUSTOM_ENV_CI_SERVER_URL: 'https://evil.example',
      JOB_RESPONSE_FILE: file,
    });
    expect(job).toMatchObject({
      jobId: 1001,
      serverUrl: 'https://g.example',
      project: { id: 42, path: 'web/app' },
      ref: { protected: false },
    });
  });

  test('is read from the environment where the file is absent or broken', () => {
    const file = path.join(directory, 'response.json');
    writeFileSync(file, '{"id": 10');
    for (const name of [file, path.join(directory, 'none')])
      expect(readHookContext({ ...env, JOB_RESPONSE_FILE: name }).job.jobId).toBe(7);
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
    const { job } = readHookContext({
      ...hookEnvironment(version, 'clone-build', prepare),
      JOB_RESPONSE_FILE: file,
    });
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
});
