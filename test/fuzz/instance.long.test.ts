import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from '../support/property';
import { prepareJob } from '../support/ssh/run-hook';
import { acts, owned } from './owned-instance';
import { runs } from './support';

const MIB = 1024 * 1024;

test(
  'the run hook on it holds at most 200 MiB, and ends with one sentence and the contract’s exit code',
  async () => {
    await fc.assert(
      fc.asyncProperty(acts, async (plan) => {
        const server = await owned(plan);
        const job = prepareJob(server.target);
        const peakFile = path.join(job.directory, 'peak');
        const env = {
          NODE_OPTIONS: `--require ${path.resolve(__dirname, '../support/peak.js')}`,
          PEAK_FILE: peakFile,
          GITLAB_SPOT_RECONNECT_TIMEOUT: '1',
        };
        const hook = job.run('true', { env });
        const timer = setTimeout(() => hook.process.kill('SIGTERM'), 3_000);
        const { code, stderr } = await hook.ended;
        clearTimeout(timer);
        await server.stop();
        expect([0, 1, 2]).toContain(code);
        expect(stderr).not.toMatch(/defect of gitlab-spot|\n {4}at /);
        expect(Number(readFileSync(peakFile, 'utf8')) * 1024).toBeLessThan(200 * MIB);
        job.remove();
      }),
      runs(10, 100),
    );
  },
  Number(process.env.FUZZ_RUNS ?? 0) > 0 ? 3 * 3_600_000 : 600_000,
);
