import { plain, runLocally, VARIABLES } from './local-hooks';

const jobsOf = (run: Awaited<ReturnType<typeof runLocally>>) =>
  Object.fromEntries(
    run.result.jobs.map((job) => [
      job.name,
      { state: job.state, exitCode: job.exitCode, attempts: job.attempts, log: plain(job.log) },
    ]),
  );

test('a pipeline clones, builds, hands artifacts on along needs, and runs its matrix', async () => {
  const run = await runLocally({
    files: {
      '.gitlab-ci.yml': `
stages: [build, test]
variables: { GREETING: "hello $CI_COMMIT_REF_NAME" }
build:
  stage: build
  script:
    - mkdir -p out
    - echo "$GREETING" > out/greeting.txt
  artifacts: { paths: [out/] }
test:
  stage: test
  needs: [build]
  parallel: { matrix: [{ NUMBER: [1, 2] }] }
  script: [cat out/greeting.txt, 'echo "number $NUMBER of $CI_NODE_TOTAL"']
  after_script: ['echo "after $CI_JOB_STATUS"']
`,
    },
  });
  const jobs = jobsOf(run);
  expect(Object.keys(jobs)).toEqual(['build', 'test: [1]', 'test: [2]']);
  expect(jobs['test: [2]']?.log).toContain('hello main\n');
  expect(jobs['test: [2]']?.log).toContain('number 2 of 2\n');
  expect(jobs['test: [2]']?.log).toContain('after success\n');
  expect(run.result.succeeded).toBe(true);
});

test('a failed job keeps its exit code, skips what follows, and lets on_failure and always run', async () => {
  const run = await runLocally({
    files: {
      '.gitlab-ci.yml': `
stages: [one, two]
bad: { stage: one, script: [exit 42] }
allowed: { stage: one, script: [exit 3], allow_failure: { exit_codes: [3] } }
next: { stage: two, script: [echo next] }
rescue: { stage: two, script: [echo rescue], when: on_failure }
report: { stage: two, script: [echo report], when: always }
`,
    },
  });
  expect(jobsOf(run)).toMatchObject({
    bad: { state: 'failed', exitCode: 42 },
    allowed: { state: 'failed', exitCode: 3 },
    next: { state: 'skipped' },
    rescue: { state: 'success' },
    report: { state: 'success' },
  });
  expect(run.result.succeeded).toBe(false);
});

test('variables on clone, shell and names are heeded', async () => {
  const jobs = jobsOf(await runLocally(VARIABLES));
  const said = (name: string) =>
    jobs[name]?.log.split('\n').filter((line) => /^(in|tags|slug|image)\b|^went on/.test(line));
  expect(said('clone')).toEqual([expect.stringMatching(/^in \d+\/else\/where$/)]);
  expect(jobs['checked']).toMatchObject({ state: 'failed', exitCode: 1 });
  expect(said('checked')).toEqual([]);
  expect(said('unchecked')).toEqual(['went on']);
  expect(jobs['traced']?.log).toMatch(/^\++ echo 'number 42'$/m);
  expect(said('whole')).toEqual(['tags v1 v2']);
  expect(said('shallow')).toEqual(['tags']);
  expect(said('names')).toEqual([
    expect.stringMatching(/^slug review-main-[a-z0-9]{6}$/),
    'image 5050/root/demo at 127.0.0.1',
  ]);
});
