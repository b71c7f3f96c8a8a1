import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runPipeline, standInRunner, type Project } from '../../sandbox/runner/run-pipeline';
import { builtHooks, runnerEnvironment, startSandbox } from '../../sandbox/start';
import { makeRepository } from '../sandbox/runner/local-hooks';

test('a spot instance that is taken back: the job log says so while the script still runs', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'interruption-'));
  const sandbox = await startSandbox();
  try {
    let project: Project | undefined;
    let seen = '';
    const interrupt = async () => {
      const [instance] = (await sandbox.control.leftovers()).instances;
      await sandbox.control.interrupt(instance?.instanceId ?? '', 300_000);
    };
    const result = await runPipeline(
      {
        repository: await makeRepository(folder, {
          '.gitlab-ci.yml': `job: { script: [echo begun, 'while :; do sleep 0.2; done'] }`,
        }),
      },
      standInRunner({ hooks: builtHooks(), environment: runnerEnvironment(sandbox), concurrency: 1 }),
      (event) => {
        if (event.type !== 'log') return;
        const before = seen;
        seen += event.text;
        if (!/\nbegun/.test(before) && /\nbegun/.test(seen)) void interrupt();
        if (seen.includes('takes this spot instance back')) project?.cancel();
      },
      (opened) => (project = opened),
    );
    expect(result.jobs[0]?.log).toMatch(/The cloud takes this spot instance back in \d+ min \d+ s/);
  } finally {
    await sandbox.close();
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);
