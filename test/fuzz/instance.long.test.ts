import { readFileSync } from 'node:fs';
import path from 'node:path';
import { figures } from '../support/figures';
import fc from '../support/property';
import { prepareJob } from '../support/ssh/run-hook';
import { ownedJob } from './owned-cases';
import { owned } from './owned-instance';
import { OwnedWorker, sideBySide } from './owned-workers';
import { runs } from './support';

const MIB = 1024 * 1024;
/** In one process: what grows from case to case would be a leak of the test's. */
const CHUNK = 200;
const LIMIT_MS = Number(process.env.FUZZ_RUNS ?? 0) > 0 ? 3 * 3_600_000 : 600_000;

test(
  'jobs that own their instance touch nobody else’s, and no hook of theirs holds 200 MiB or outlives its limit',
  async () => {
    const { numRuns = 0 } = runs(200);
    const { seed = 1 } = fc.readConfigureGlobal();
    const problems: string[] = [];
    let [running, longestMs, peakMiB] = [0, 0, 0];
    for (let done = 0; done < numRuns; done += CHUNK) {
      const worker = OwnedWorker.start();
      const jobs = fc.sample(ownedJob, { seed: seed + done, numRuns: Math.min(CHUNK, numRuns - done) });
      await sideBySide(jobs, 4, async (job) => {
        const played = await worker.play(job);
        if (played.isRunning) running++;
        longestMs = Math.max(longestMs, played.longestMs);
        peakMiB = Math.max(peakMiB, played.peakMiB);
        if (played.problem === undefined) return;
        problems.push(played.problem);
        figures(`${played.problem}\n${JSON.stringify(job)}`);
      });
      await worker.stop();
      figures(
        `seed ${seed}: ${done + jobs.length} jobs, ${running} with an instance, ${problems.length} problems; longest hook ${longestMs} ms, peak ${peakMiB} MiB`,
      );
    }
    expect(problems).toEqual([]);
    expect(peakMiB).toBeLessThan(200);
    expect(running).toBeGreaterThan(numRuns / 10);
  },
  LIMIT_MS,
);

test(
  'the run hook on such an instance ends with one sentence and the contract’s exit code',
  async () => {
    await fc.assert(
      fc.asyncProperty(ownedJob, async ({ plan }) => {
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
  LIMIT_MS,
);
