import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ownRepository } from '../../sandbox/demo/own-repository';
import { Project } from '../../sandbox/runner/run-pipeline';
import { makeRepository } from '../sandbox/runner/local-hooks';
import { Demo, NOTHING } from '../support/demo';

/** `npm run demo` with small pipelines; the whole one is in demo.long.test.ts. */
jest.setTimeout(240_000);

let demo: Demo;
let repositories: string;
beforeEach(() => {
  demo = new Demo();
  repositories = mkdtempSync(path.join(tmpdir(), 'demo-repositories-'));
});
afterEach(() => {
  demo.remove();
  rmSync(repositories, { recursive: true });
});

test('without unshare, the demo says before it starts that instances share this machine’s processes and files', async () => {
  const empty = path.join(repositories, 'empty');
  const run = await demo.run(['--json', '--repo', empty], { env: { PATH: empty } });
  expect(run.stderr).toMatch(
    /^note: instances share this machine's processes and files \(unshare \(util-linux\) is not on PATH\): .*\n(.*\n)+$/,
  );
  expect(run.code).not.toBe(0);
});

test('--repo, --job, --images skip: only those jobs, without what they need, on the instance itself; one that fails has its own exit code, and no process and no file stays', async () => {
  const repository = await makeRepository(repositories, {
    '.gitlab-ci.yml': [
      'first: { script: [exit 1] }',
      'good: { needs: [first], image: alpine, services: [redis], script: [cat file] }',
      'bad: { needs: [first], script: [exit 42], after_script: [echo "after $CI_JOB_STATUS"] }',
    ].join('\n'),
    file: 'text of the file\n',
  });
  const only = ['--job', 'good', '--job', 'bad'];
  const run = await demo.run(['--json', '--images', 'skip', '--repo', repository, ...only]);
  const report = run.report();
  expect(report).toMatchObject({ ...NOTHING, succeeded: false });
  expect(report.jobs).toMatchObject([
    { name: 'good', state: 'success', log: expect.stringContaining('text of the file') },
    {
      name: 'bad',
      state: 'failed',
      exitCode: 42,
      failureReason: 'script_failure',
      log: expect.stringContaining('after failed'),
    },
  ]);
  for (const { figures } of report.jobs) {
    expect(figures).toMatchObject({
      instanceType: expect.stringMatching(/^ecs\./),
      zone: expect.stringMatching(/^cn-hangzhou-/),
    });
    expect(figures.yuan).toBeGreaterThan(0);
    expect(figures.readySeconds).toBeGreaterThan(0);
  }
  expect(report.jobs.map(({ figures }) => figures.exit)).toEqual(['0', '42']);
  expect(report.stackList).toMatch(/^NAME\s+LAST UPDATE\s+RESOURCE COUNT\s*$/);
  expect(run.stderr).toContain(
    'note: job good: image and services are passed over, the script runs on the instance itself',
  );
  expect(run.code).toBe(1);
  expect(demo.left()).toEqual([]);
});

describe('Ctrl-C', () => {
  test.each([
    ['while the script runs', "['for i in $(seq 6000); do echo tick; sleep 0.1; done']", /\| tick/, /after canceled/],
    ['while the instance is being created', '[echo x]', /Taking ecs/, /Taking ecs/],
  ])('%s: the job is cancelled, and nothing is left', async (_moment, script, interruptAt, says) => {
    const repository = await makeRepository(repositories, {
      '.gitlab-ci.yml': `job: { script: ${script}, after_script: [echo "after $CI_JOB_STATUS"] }\n`,
    });
    const run = await demo.run(['--json', '--verbose', '--repo', repository], { interruptAt });
    const report = run.report();
    expect(report.jobs[0]).toMatchObject({ state: 'canceled', log: expect.stringMatching(says) });
    expect(report).toMatchObject(NOTHING);
    expect(run.code).toBe(130);
    expect(demo.left()).toEqual([]);
  });
});

describe('what cannot be run is one sentence', () => {
  test.each<[string, object, RegExp]>([
    ['no repository', { repository: '/nowhere/at/all' }, /^git clone failed: .*\/nowhere\/at\/all.*$/],
    [
      'no such job',
      { jobs: ['nobody'] },
      /^--job: there is no job nobody in this pipeline; it has check, build, test, edges, package$/,
    ],
    ['no such branch', { ref: 'nowhere' }, /^the repository has no branch or tag nowhere \(or no commit yet\)$/],
  ])('%s', async (_title, request, sentence) => {
    const repository = await ownRepository(repositories);
    await expect(Project.open({ repository, ...request })).rejects.toThrow(sentence);
  });

  test('a pipeline with mistakes: each with its place', async () => {
    const repository = await makeRepository(repositories, {
      '.gitlab-ci.yml': 'a: { script: [x], retry: 9 }\nb: { scrip: [x] }\n',
    });
    const run = await demo.run(['--repo', repository]);
    expect(run.stderr).toBe(
      'demo: .gitlab-ci.yml: job a: retry: max: should be 0, 1, or 2\n.gitlab-ci.yml: job b: unknown keyword scrip (did you mean script?)\n',
    );
    expect(run.code).toBe(1);
  });

  test('a variable that is none', async () => {
    const run = await demo.run(['--variable', 'x']);
    expect(run.stderr).toMatch(/^demo: --variable x: should look like KEY=VALUE/);
    expect(run.code).toBe(1);
  });

  test('no git on PATH', async () => {
    const run = await demo.run([], { env: { PATH: repositories } });
    expect(run.stderr).toBe(
      'demo: git is not on PATH; the sandbox serves and clones repositories with it: install git 2.20 or newer\n',
    );
  });
});
