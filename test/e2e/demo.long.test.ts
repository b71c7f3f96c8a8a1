import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Demo, NOTHING } from '../support/demo';

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
