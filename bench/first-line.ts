import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownRepository } from '../sandbox/demo/own-repository';
import { realRunner, runPipeline, standInRunner, type StartRunner } from '../sandbox/runner/run-pipeline';
import { builtHooks, programOn, runnerEnvironment } from '../sandbox/start';
import { figure, type Figure } from './figures';
import type { Place } from './place';

export interface FirstLineFigures {
  /**
   * From the moment in which GitLab has the job until its script begins, with a machine that waits
   * and a runner that has nothing else to do.
   */
  readonly hotFirstLineMs: Figure;
}

/** It says when it began, by the clock that instances share with us. */
const PIPELINE = 'first line:\n  script:\n    - echo "began at $(date +%s%3N)"\n';
/** After its start a runner asks at once; later it asks as often as config.toml has it. */
const IDLE_MS = 3_500;
/** As `gitlab-spot register` has it: a runner of one job would ask at once when its request is answered. */
const CONCURRENCY = 10;

/** Pipelines of one job, one after the other, each with a runner of its own. */
export async function firstLines({ sandbox, progress, nextId }: Place, jobs: number, real: boolean): Promise<Figure> {
  const repository = await ownRepository(sandbox.directory, PIPELINE);
  const program = real ? programOn(process.env['PATH'] ?? '', 'gitlab-runner') : undefined;
  const common = { hooks: builtHooks(), environment: runnerEnvironment(sandbox), concurrency: CONCURRENCY };
  const directory = path.join(sandbox.directory, 'gitlab-runner');
  const start = program
    ? realRunner({ ...common, program, directory, gracefulKillSeconds: 60 })
    : standInRunner(common);
  const idle: StartRunner = async (...of) => {
    const runner = await start(...of);
    if (program) await sleep(IDLE_MS);
    return runner;
  };
  const seen: number[] = [];
  for (let n = 0; n < jobs; n++) {
    progress(`job ${n + 1} of ${jobs}, from GitLab to the first line of its script`);
    let createdMs = 0;
    const { jobs: results } = await runPipeline({ repository, firstJobId: 1_000_000 + nextId() }, idle, (event) => {
      if (event.type === 'job-state' && event.state === 'waiting') createdMs = Date.now();
    });
    const log = results[0]?.log ?? '';
    const began = /began at (\d+)/.exec(log);
    if (!began || !log.includes('Taking the spare machine')) throw new Error(`the job did not start hot: ${log}`);
    seen.push(Number(began[1]) - createdMs);
  }
  await rm(repository, { recursive: true, force: true });
  return figure(seen);
}
