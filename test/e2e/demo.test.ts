import path from 'node:path';
import { ownRepository } from '../../sandbox/demo/own-repository';
import { Project } from '../../sandbox/runner/run-pipeline';
import { makeRepository } from '../sandbox/runner/local-hooks';
import { freshDemo } from '../support/demo';

/** What `npm run demo` says of what it cannot run; whole runs are in demo.long.test.ts. */
jest.setTimeout(240_000);

const fresh = freshDemo();

test('without unshare, the demo says before it starts that instances share this machine’s processes and files', async () => {
  const empty = path.join(fresh.repositories, 'empty');
  const run = await fresh.demo.run(['--json', '--repo', empty], { env: { PATH: empty } });
  expect(run.stderr).toMatch(
    /^note: instances share this machine's processes and files \(unshare \(util-linux\) is not on PATH\): .*\n(.*\n)+$/,
  );
  expect(run.code).not.toBe(0);
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
    const repository = await ownRepository(fresh.repositories);
    await expect(Project.open({ repository, ...request })).rejects.toThrow(sentence);
  });

  test('a pipeline with mistakes: each with its place', async () => {
    const repository = await makeRepository(fresh.repositories, {
      '.gitlab-ci.yml': 'a: { script: [x], retry: 9 }\nb: { scrip: [x] }\n',
    });
    const run = await fresh.demo.run(['--repo', repository]);
    expect(run.stderr).toBe(
      'demo: .gitlab-ci.yml: job a: retry: max: should be 0, 1, or 2\n.gitlab-ci.yml: job b: unknown keyword scrip (did you mean script?)\n',
    );
    expect(run.code).toBe(1);
  });

  test('a variable that is none', async () => {
    const run = await fresh.demo.run(['--variable', 'x']);
    expect(run.stderr).toMatch(/^demo: --variable x: should look like KEY=VALUE/);
    expect(run.code).toBe(1);
  });

  test('no git on PATH', async () => {
    const run = await fresh.demo.run([], { env: { PATH: fresh.repositories } });
    expect(run.stderr).toBe(
      'demo: git is not on PATH; the sandbox serves and clones repositories with it: install git 2.20 or newer\n',
    );
  });
});
