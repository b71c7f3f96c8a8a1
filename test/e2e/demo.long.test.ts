import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { makeRepository } from '../sandbox/runner/local-hooks';
import { Demo, freshDemo, NOTHING } from '../support/demo';

test('npm run demo: every job on an instance of its own, artifacts handed on, and nothing left', async () => {
  const demo = new Demo();
  try {
    const run = await demo.run(['--json']);
    const report = run.report();
    expect(report.jobs.map((job) => [job.name, job.state])).toEqual(
      ['check', 'build', 'test: [poem]', 'test: [numbers]', 'edges', 'package'].map((name) => [name, 'success']),
    );
    expect(report.jobs.find((job) => job.name === 'test: [poem]')?.log).toContain('as expected');
    for (const { figures } of report.jobs) {
      expect(figures).toMatchObject({
        instanceType: expect.stringMatching(/^ecs\./),
        zone: expect.stringMatching(/^cn-hangzhou-/),
        exit: '0',
      });
      expect(figures.yuan).toBeGreaterThan(0);
      expect(figures.readySeconds).toBeGreaterThan(0);
    }
    expect(report).toMatchObject(NOTHING);
    expect(report.stackList).toMatch(/^NAME\s+LAST UPDATE\s+RESOURCE COUNT\s*$/);
    expect(run.code).toBe(0);
    expect(demo.left()).toEqual([]);
  } finally {
    demo.remove();
  }
}, 240_000);

test('a job runs where TMPDIR has a space in its path', async () => {
  const demo = new Demo();
  const folder = path.join(demo.folder, 'two words');
  mkdirSync(folder);
  try {
    const run = await demo.run(['--json', '--job', 'check'], { env: { TMPDIR: folder } });
    expect(run.report()).toMatchObject({ ...NOTHING, jobs: [{ name: 'check', state: 'success' }] });
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    demo.remove();
  }
}, 240_000);

describe('a small pipeline', () => {
  jest.setTimeout(240_000);

  const fresh = freshDemo();

  test('--repo, --job, --images skip: only those jobs, without what they need, on the instance itself; one that fails has its own exit code, and no process and no file stays', async () => {
    const repository = await makeRepository(fresh.repositories, {
      '.gitlab-ci.yml': [
        'first: { script: [exit 1] }',
        'good: { needs: [first], image: alpine, services: [redis], script: [cat file] }',
        'bad: { needs: [first], script: [exit 42], after_script: [echo "after $CI_JOB_STATUS"] }',
      ].join('\n'),
      file: 'text of the file\n',
    });
    const only = ['--job', 'good', '--job', 'bad'];
    const run = await fresh.demo.run(['--json', '--images', 'skip', '--repo', repository, ...only]);
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
    expect(fresh.demo.left()).toEqual([]);
  });

  describe('Ctrl-C', () => {
    test.each([
      ['while the script runs', "['for i in $(seq 6000); do echo tick; sleep 0.1; done']", /\| tick/, /after canceled/],
      ['while the instance is being created', '[echo x]', /Taking ecs/, /Taking ecs/],
    ])('%s: the job is cancelled, and nothing is left', async (_moment, script, interruptAt, says) => {
      const repository = await makeRepository(fresh.repositories, {
        '.gitlab-ci.yml': `job: { script: ${script}, after_script: [echo "after $CI_JOB_STATUS"] }\n`,
      });
      const run = await fresh.demo.run(['--json', '--verbose', '--repo', repository], { interruptAt });
      const report = run.report();
      expect(report.jobs[0]).toMatchObject({ state: 'canceled', log: expect.stringMatching(says) });
      expect(report).toMatchObject(NOTHING);
      expect(run.code).toBe(130);
      expect(fresh.demo.left()).toEqual([]);
    });
  });
});
