import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findOutJob, readHookContext } from '../../../src/gitlab/contract';
import { JobUnknown } from '../../../src/gitlab/job-facts';
import { NameUnusable } from '../../../src/gitlab/expand-names';
import { expandVariables, ExpansionTooLong } from '../../../src/gitlab/expand';
import { JobResponseUnusable } from '../../../src/gitlab/job-response';
import { jobFacts, ownFields } from '../../support/job-env';

let directory: string;
beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'facts-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** What a job's author can write into the hooks' environment. */
const AUTHORS = {
  CUSTOM_ENV_CI_JOB_ID: '5',
  CUSTOM_ENV_CI_PROJECT_ID: '5',
  CUSTOM_ENV_CI_PROJECT_PATH: 'ml/secret',
  CUSTOM_ENV_CI_PROJECT_DIR: '',
  CUSTOM_ENV_CI_COMMIT_REF_PROTECTED: 'true',
  CUSTOM_ENV_CI_SERVER_URL: 'https://evil.example',
  CUSTOM_ENV_CI_JOB_TIMEOUT: '2678400',
};

function fileOf(content: unknown): string {
  const file = path.join(directory, 'response.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}
const factsOf = (response: unknown, gitlabUrl?: string) =>
  findOutJob({ ...AUTHORS, JOB_RESPONSE_FILE: fileOf(response) }, gitlabUrl);

const mine = ownFields();
/** As runners before 18.5 and GitLab before 18.3 have it: JSON leaves the field out. */
const older = { ...mine, job_info: { ...mine.job_info, project_full_path: undefined } };
const said = (key: string, value: string, more: object = { public: true, masked: false }) => ({ key, value, ...more });

describe('who a job is', () => {
  test('stands in GitLab’s own fields of the job response', () => {
    const { job_info: job, git_info: git } = mine;
    const response = {
      ...mine,
      job_info: { ...job, user_id: 9, pipeline_id: 70 },
      git_info: { ...git, protected: true },
    };
    expect(factsOf(response)).toEqual(jobFacts({ protectedRef: true, userId: 9, pipelineId: 70 }));
  });

  test('is not what a variable of its name says, first or last', () => {
    const jwt = { public: false, masked: true };
    const authors = ['CI_PROJECT_PATH', 'CI_SERVER_URL', 'CI_JOB_ID', 'CI_PROJECT_ID', 'CI_JOB_TIMEOUT'];
    const variables = [
      ...authors.map((key) => said(key, 'eyJ.x.y', jwt)),
      said('CI_COMMIT_REF_PROTECTED', 'true', jwt),
      said('CI_COMMIT_REF_PROTECTED', 'false'),
      ...authors.map((key) => said(key, '5')),
      said('CI_COMMIT_REF_PROTECTED', 'true'),
    ];
    expect(factsOf({ ...older, variables })).toEqual(jobFacts());
  });

  test('is not what a key of that name in another place, a prototype or a look-alike says', () => {
    const polluted = JSON.stringify({ ...mine, id: 'ID' }).replace(
      '"id":"ID"',
      '"__proto__":{"id":5,"job_info":{"project_id":5}},"constructor":{"id":5},"Id":5,"ID":5,"\u0456d":5,"id\u200b":5,"id":1001',
    );
    expect(factsOf(polluted)).toEqual(jobFacts());
    const inside = { ...mine, job_info: { ...mine.job_info, id: 5 }, git_info: { ...mine.git_info, project_id: 5 } };
    expect(factsOf({ ...inside, dependencies: [{ id: 5 }], variables: [{ key: '__proto__', value: 'x' }] })).toEqual(
      jobFacts(),
    );
  });

  test.each([
    ['the repository’s address', older, undefined, 'https://gitlab.example.com', 'root/demo'],
    [
      'the repository’s address below a path',
      { ...mine, git_info: { repo_url: 'http://g:8080/gitlab/root/demo.git', ref: 'main' } },
      undefined,
      'http://g:8080/gitlab',
      'root/demo',
    ],
    [
      'the setting, where an older runner does not tell path from project',
      { ...older, git_info: { repo_url: 'https://g/gitlab/root/demo.git', ref: 'main' } },
      'https://g/gitlab/',
      'https://g/gitlab',
      'root/demo',
    ],
    [
      'the setting, without an address',
      { ...mine, git_info: { ref: 'main' } },
      'https://configured.example',
      'https://configured.example',
      'root/demo',
    ],
  ])('server and project come from %s', (_title, response, gitlabUrl, serverUrl, projectPath) => {
    expect(factsOf(response, gitlabUrl)).toMatchObject({ serverUrl, projectPath });
  });

  test.each([
    ['no word', {}, [], false],
    ['GitLab’s own word', { protected: true }, [], true],
    ['a variable, before 18.3', {}, [said('CI_COMMIT_REF_PROTECTED', 'true')], true],
    ['a secret variable', {}, [said('CI_COMMIT_REF_PROTECTED', 'true', { public: false })], false],
    [
      'a merge request’s ref, which a pattern may cover',
      { protected: true, ref: 'refs/merge-requests/3/head' },
      [],
      false,
    ],
    ['no ref', { protected: true, ref: null }, [], false],
  ])('protected by %s', (_title, git, variables, protectedRef) => {
    expect(factsOf({ ...mine, git_info: { ...mine.git_info, ...git }, variables })).toMatchObject({ protectedRef });
  });

  test.each([
    ['42', '42', 'own'],
    ['42', '77', 'fork'],
    ['77', '77', 'fork'],
    [undefined, undefined, 'fork'],
  ])('a merge request of project %s from %s is %s', (target, source, mergeRequest) => {
    const variables = [
      ...(target === undefined ? [] : [said('CI_MERGE_REQUEST_PROJECT_ID', target)]),
      ...(source === undefined ? [] : [said('CI_MERGE_REQUEST_SOURCE_PROJECT_ID', source)]),
    ];
    const git = { ...mine.git_info, ref: 'refs/merge-requests/3/merge' };
    expect(factsOf({ ...mine, git_info: git, variables })).toMatchObject({ mergeRequest });
  });

  test.each([
    [{ timeout: 7200 }, 7200, undefined],
    [{ timeout: 1e9 }, 2_678_400, undefined],
    [{}, 3600, true],
    [{ timeout: 'x' }, 3600, true],
  ])('a timeout of %j is %d s', (runner, timeoutSeconds, timeoutAssumed) => {
    expect(factsOf({ ...mine, runner_info: runner })).toMatchObject({ timeoutSeconds });
    expect(factsOf({ ...mine, runner_info: runner }).timeoutAssumed).toBe(timeoutAssumed);
  });

  test('does not depend on names that can’t be expanded', () => {
    const services = [{ name: 'redis', alias: '$$A'.repeat(4200) }];
    const response = { ...mine, services, image: { name: `\${A}`.repeat(1000) } };
    expect(factsOf(response)).toEqual(jobFacts());
    const hook = () =>
      readHookContext({
        CUSTOM_ENV_A: 'x'.repeat(100_000),
        GITLAB_SPOT_JOB: JSON.stringify(jobFacts()),
        JOB_RESPONSE_FILE: fileOf(response),
      });
    expect(hook).toThrow(ExpansionTooLong);
    expect(hook).toThrow('The name of the job’s image is longer than 4096 characters');
  });

  test('is told from a name that is long by itself, and no name is filled in beyond its bound', () => {
    const limit = { what: 'A name', characters: 4096 };
    expect(expandVariables('x'.repeat(4096), {}, limit)).toHaveLength(4096);
    expect(() => expandVariables('x'.repeat(4097), {}, limit)).toThrow(ExpansionTooLong);
    let reads = 0;
    const variables = {
      get A() {
        reads++;
        return 'x'.repeat(4097);
      },
    };
    for (const one of ['$A', '${A}']) {
      reads = 0;
      expect(() => expandVariables(one.repeat(1000), variables, limit)).toThrow(ExpansionTooLong);
      expect(reads).toBe(1);
    }
    expect(expandVariables('$__proto__${constructor}$toString', {}, limit)).toBe('');
    expect(expandVariables('$A', { A: '$B', B: 'x' }, limit)).toBe('$B');
  });

  test.each([
    ['The name of the job’s image', { image: { name: 'java\0' } }],
    ['The name of the job’s image', { image: { name: '\0' } }],
    ['The entrypoint of the job’s image', { image: { name: 'java', entrypoint: ['sh', '\0'] } }],
    ['The user of a service', { services: [{ name: 'db', executor_opts: { docker: { user: 'a\0b' } } }] }],
    ['The platform of a service', { services: [{ name: 'db', executor_opts: { docker: { platform: '\0' } } }] }],
    ['The alias of a service', { services: [{ name: 'db', alias: '\0' }] }],
    ['The command of a service', { services: [{ name: 'db', command: ['run', '\0'] }] }],
  ])('%s with a NUL is the job’s own failure', (what, part) => {
    const environment = {
      GITLAB_SPOT_JOB: JSON.stringify(jobFacts()),
      JOB_RESPONSE_FILE: fileOf({ ...mine, ...part }),
    };
    expect(() => readHookContext(environment)).toThrow(`${what} holds a NUL character`);
    expect(() => readHookContext(environment)).toThrow(NameUnusable);
  });
});

describe('a job response that tells no job is a system failure', () => {
  test.each([
    ['no id', { ...mine, id: undefined }],
    ['an id of another kind', { ...mine, id: '1001' }],
    ['no project', { ...mine, job_info: { name: 'build' } }],
    ['no server', { ...mine, git_info: { ref: 'main' } }],
  ])('%s', (_title, response) => expect(() => factsOf(response)).toThrow(JobUnknown));

  test.each([
    ['cut off', '{"id": 10'],
    ['empty', ''],
    ['no object', '[7]'],
    ['larger than any job', JSON.stringify({ ...mine, padding: 'x'.repeat(9 * 1024 * 1024) })],
  ])('%s', (_title, text) => expect(() => factsOf(text)).toThrow(JobResponseUnusable));

  test('a pipe, which nobody waits for, a folder, or a device without an end', () => {
    const pipe = path.join(directory, 'pipe');
    spawnSync('mkfifo', [pipe]);
    for (const file of [pipe, directory, '/dev/zero'])
      expect(() => findOutJob({ ...AUTHORS, JOB_RESPONSE_FILE: file })).toThrow('is not a regular file');
  });

  test('nested without end', () => {
    expect(() => factsOf('['.repeat(4_000_000))).toThrow(JobResponseUnusable);
    expect(() => factsOf(`${'{"a":'.repeat(1_000_000)}1${'}'.repeat(1_000_000)}`)).toThrow(JobUnknown);
  });

  test.each([
    ['a number that is none', '1e999'],
    ['a number beyond all ids', '9007199254740993'],
    ['less than one', '-5'],
    ['a fraction', '1.5'],
    ['a list', '[1001]'],
    ['true', 'true'],
  ])('an id that is %s', (_what, id) => {
    const text = JSON.stringify({ ...mine, id: 'ID' }).replace('"ID"', id);
    expect(() => factsOf(text)).toThrow(JobUnknown);
  });

  test('not there', () => {
    const gone = { ...AUTHORS, JOB_RESPONSE_FILE: path.join(directory, 'none') };
    expect(() => findOutJob(gone)).toThrow(JobResponseUnusable);
  });

  test('another job’s', () => {
    const variables = { GITLAB_SPOT_JOB: JSON.stringify(jobFacts({ jobId: 1002 })), JOB_RESPONSE_FILE: fileOf(mine) };
    expect(() => readHookContext(variables)).toThrow('The job response belongs to job 1001, not to job 1002');
  });
});

describe('a runner that writes no job response', () => {
  test('gives facts that nothing restricted may go by', () => {
    expect(findOutJob({ ...AUTHORS, CUSTOM_ENV_CI_JOB_ID: '7' })).toMatchObject({
      jobId: 7,
      verified: false,
      protectedRef: false,
      timeoutSeconds: 86_400,
    });
  });
});
