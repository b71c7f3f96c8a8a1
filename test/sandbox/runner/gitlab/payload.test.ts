/** What GitLab says of a job when it hands it out. */
import { environmentSlug } from '../../../../sandbox/runner/gitlab/job-variables';
import { jobPayload } from '../../../../sandbox/runner/gitlab/payload';
import { jobResponse } from '../../../../sandbox/runner/driver/job-response';
import { runnerVersion } from '../../../../sandbox/runner/versions';
import type { PipelineFacts } from '../../../../sandbox/runner/pipeline/facts';
import type { JobPayload } from '../../../../sandbox/runner/payload';
import { FACTS, job } from '../pipeline/reading';

async function payloadOf(config: string, facts: Partial<PipelineFacts> = {}): Promise<JobPayload> {
  return jobPayload({
    id: 7,
    job: job(config, 'job', facts),
    facts: { ...FACTS, ...facts },
    dependencies: [],
    runnerTags: ['spot'],
    handedOn: { FROM_EARLIER: 'job' },
    lastChange: () => Promise.resolve(''),
    nowMs: 0,
  });
}

const all = (payload: JobPayload, key: string) => payload.variables.filter((one) => one.key === key);
const value = (payload: JobPayload, key: string) => all(payload, key).at(-1)?.value;

const MERGE_REQUEST = {
  ref: 'change',
  source: 'merge_request_event',
  protectedRef: false,
  mergeRequest: { iid: 3, targetBranch: 'main', baseSha: '1'.repeat(40) },
} as const;

test('the fields that no job can write tell who the job is', async () => {
  const payload = await payloadOf('job: { script: [x] }');
  expect(payload.job_info).toMatchObject({
    project_id: 42,
    project_full_path: 'root/demo',
    user_id: 1,
    pipeline_id: 7,
  });
  expect(payload.git_info).toMatchObject({ ref: 'main', protected: true, ref_type: 'branch' });
  expect(payload.runner_info.timeout).toBe(3600);
});

test("a merge request's job has the merge request's ref, and its source branch by name", async () => {
  const payload = await payloadOf('job: { script: [x], rules: [{ when: always }] }', MERGE_REQUEST);
  expect(payload.git_info).toMatchObject({ ref: 'refs/merge-requests/3/head', protected: false, ref_type: 'branch' });
  expect(payload.git_info.refspecs).toEqual(['+refs/pipelines/7:refs/pipelines/7']);
  expect(value(payload, 'CI_COMMIT_REF_NAME')).toBe('change');
  expect(value(payload, 'CI_COMMIT_BRANCH')).toBeUndefined();
  expect(value(payload, 'CI_PIPELINE_SOURCE')).toBe('merge_request_event');
  expect(value(payload, 'CI_MERGE_REQUEST_SOURCE_PROJECT_ID')).toBe('42');
});

test('newer runners hand these fields on, older ones know the project by its id alone', async () => {
  const payload = await payloadOf('job: { script: [x], image: { name: a, docker: { user: "5", platform: p } } }');
  const newer = jobResponse(payload, runnerVersion('19.3'));
  expect(newer.job_info).toMatchObject({ project_full_path: 'root/demo', user_id: 1, pipeline_id: 7 });
  expect(newer.git_info).toMatchObject({ protected: true });
  expect(newer.image.executor_opts.docker).toEqual({ user: '5', platform: 'p' });
  const older = jobResponse(payload, runnerVersion('17.4'));
  expect(Object.keys(older.job_info)).not.toContain('user_id');
  expect(Object.keys(older.git_info)).not.toContain('protected');
});

test('variables come in GitLab’s order: id_tokens before the predefined ones, the user’s after the file’s', async () => {
  const config = `
job:
  script: [x]
  id_tokens: { CI_SERVER_URL: { aud: a } }
  variables: { GITLAB_USER_LOGIN: mallory, CI_PROJECT_PATH: ml/secret }`;
  const payload = await payloadOf(config, { given: { FROM_PERSON: '1' } });
  expect(all(payload, 'CI_SERVER_URL').map((one) => [one.public, one.masked])).toEqual([
    [false, true],
    [true, false],
  ]);
  expect(all(payload, 'GITLAB_USER_LOGIN').map((one) => one.value)).toEqual(['mallory', 'root']);
  expect(all(payload, 'CI_PROJECT_PATH').map((one) => one.value)).toEqual(['root/demo', 'ml/secret']);
  const order = [
    'CI_JOB_ID',
    'CI_JOB_NAME',
    'CI_SERVER_HOST',
    'CI_COMMIT_SHA',
    'CI_RUNNER_TAGS',
    'FROM_EARLIER',
    'FROM_PERSON',
  ];
  const places = order.map((key) => payload.variables.findIndex((one) => one.key === key));
  expect(places).toEqual([...places].sort((a, b) => a - b));
});

test.each([
  ['http://gitlab.example', { CI_SERVER_PORT: '80', CI_SERVER_FQDN: 'gitlab.example' }],
  ['https://gitlab.example', { CI_SERVER_PORT: '443', CI_SERVER_FQDN: 'gitlab.example' }],
  [
    'https://gitlab.example:8443',
    {
      CI_SERVER_PORT: '8443',
      CI_SERVER_FQDN: 'gitlab.example:8443',
      CI_REGISTRY_IMAGE: 'gitlab.example:5050/root/demo',
    },
  ],
])('a server at %s', async (serverUrl, expected) => {
  const payload = await payloadOf('job: { script: [x] }', { serverUrl });
  for (const [key, wanted] of Object.entries(expected)) expect([key, value(payload, key)]).toEqual([key, wanted]);
});

test('the environment’s name is expanded before its slug is made', async () => {
  const payload = await payloadOf(
    'job: { script: [x], environment: { name: review/$CI_COMMIT_REF_NAME, url: https://$CI_ENVIRONMENT_SLUG.example } }',
  );
  expect(value(payload, 'CI_ENVIRONMENT_NAME')).toBe('review/main');
  expect(value(payload, 'CI_ENVIRONMENT_SLUG')).toMatch(/^review-main-[a-z0-9]{6}$/);
  expect(value(payload, 'CI_ENVIRONMENT_URL')).toBe(`https://${value(payload, 'CI_ENVIRONMENT_SLUG')}.example`);
});

test.each([
  ['production', /^production$/],
  ['staging-1234567890123456', /^staging-1234567890123456$/],
  ['staging-12345678901234567', /^staging-123456789-[a-z0-9]{6}$/],
  ['9-staging-123456789012345', /^env-9-staging-123-[a-z0-9]{6}$/],
  ['foo--bar', /^foo-bar-[a-z0-9]{6}$/],
  ['foo-', /^foo$/],
  ['PRODUCTION', /^production-[a-z0-9]{6}$/],
])('the slug of environment %s', (name, expected) => {
  expect(environmentSlug(name)).toMatch(expected);
});

test.each([
  ['no variable', '', 20, ['+refs/pipelines/7:refs/pipelines/7', '+refs/heads/main:refs/remotes/origin/main']],
  [
    'GIT_DEPTH: 3',
    'variables: { GIT_DEPTH: 3 }',
    3,
    ['+refs/pipelines/7:refs/pipelines/7', '+refs/heads/main:refs/remotes/origin/main'],
  ],
  [
    'GIT_DEPTH: 0, which wants every branch and tag',
    'variables: { GIT_DEPTH: 0 }',
    0,
    ['+refs/pipelines/7:refs/pipelines/7', '+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'],
  ],
])('with %s', async (_title, variables, depth, refspecs) => {
  const { git_info: git } = await payloadOf(`${variables}\njob: { script: [x] }`);
  expect({ depth: git.depth, refspecs: git.refspecs }).toEqual({ depth, refspecs });
});

test('the policy of a cache may be a variable', async () => {
  const payload = await payloadOf('job: { script: [x], variables: { P: pull }, cache: { paths: [a], policy: $P } }');
  expect(payload.cache.map((one) => one.policy)).toEqual(['pull']);
});

test('a job that starts another pipeline is skipped with a word, and nobody waits for it', () => {
  const config = 'child: { trigger: other }\njob: { script: [x], needs: [child] }';
  expect(job(config).needs).toEqual([]);
});
