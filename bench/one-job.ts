import { BenchJob } from './bench-job';
import { figure, median, round, type Figure } from './figures';
import { empty, NONE, REALISTIC, setPace, used, type Pace, type Place } from './place';
import type { Usage } from './processes';

const NO_OP = '#!/usr/bin/env bash\n:\n';
/** Of which CPU time and processes are counted. */
const MEASURED_STAGES = 5;
const SILENT_SECONDS = 2;
const OUTPUT_BYTES = 100_000_000;
/**
 * Hooks that a job of a usual kind starts between prepare and cleanup (sources, cache, artifacts,
 * script, after_script …).
 */
const USUAL_STAGES = 6;

export interface StageFigures {
  readonly runNoopMs: Figure;
  readonly sshNoopMs: Figure;
  /** The median of the ratios, pair by pair. */
  readonly runToSsh: number;
  readonly configMs: Figure;
  readonly runningJobRssMiB: number;
  readonly runningJobPssMiB: number;
  readonly betweenStagesRssMiB: number;
  readonly outputMBPerSecond: number;
  readonly outputPeakRssMiB: number;
  readonly preparePeakRssMiB: number;
  readonly cleanupPeakRssMiB: number;
  readonly cpuSeconds: { readonly prepare: number; readonly stage: number; readonly cleanup: number };
  readonly processes: { readonly prepare: number; readonly stage: number; readonly cleanup: number };
  readonly cpuSecondsPerJob: number;
  readonly processesPerJob: number;
  readonly apiCallsPerJob: number;
  readonly withoutDelays: LifeFigures;
}

export interface LifeFigures {
  readonly prepareMs: Figure;
  /** Of prepare, what came before and after the cloud's own time, from RunInstances to SSH. */
  readonly addedToCloudMs: Figure;
  readonly prepareAfterSshMs: Figure;
  readonly cleanupMs: Figure;
  readonly goneAfterCleanupMs: Figure;
}

/** What the executor itself costs: jobs one after the other, in a cloud that takes no time. */
export async function oneJob(place: Place, jobs: number, stages: number): Promise<StageFigures> {
  const { sandbox, progress } = place;
  await setPace(place, NONE);
  const life = new Life(NONE);
  const seen = {
    run: [] as number[],
    ssh: [] as number[],
    config: [] as number[],
    output: [] as number[],
    outputRss: [] as number[],
    between: [] as number[],
    api: [] as number[],
  };
  const usage = { prepare: new Usages(), stage: new Usages(), silent: new Usages(), cleanup: new Usages() };
  for (let n = 0; n < jobs; n++) {
    progress(`job ${n + 1} of ${jobs}: stages beside plain ssh, memory, output`);
    const callsBefore = (await sandbox.control.calls()).length;
    const job = new BenchJob(sandbox, place.nextId());
    const [prepared, prepareUse] = await used(place, async () => {
      seen.config.push((await job.config()).ms);
      return job.prepare();
    });
    usage.prepare.add(prepareUse);
    // The first stage warms the page cache for both sides.
    await stage(job);
    for (let count = 0; count < stages; count++) {
      // Nobody looks meanwhile: looking is work for this machine, which a plain ssh is spared too.
      seen.run.push(await stage(job));
      seen.ssh.push((await job.plainSsh()).ms);
    }
    for (let count = 0; count < MEASURED_STAGES; count++) usage.stage.add((await used(place, () => stage(job)))[1]);
    const [, between] = await used(place, () => new Promise((resolve) => setTimeout(resolve, 300)));
    seen.between.push(between.peakRssMiB);
    const [, silent] = await used(place, () => job.run(`#!/usr/bin/env bash\nsleep ${SILENT_SECONDS}\n`));
    usage.silent.add(silent);
    const [output, outputUse] = await used(place, () =>
      job.run(`#!/usr/bin/env bash\nhead -c ${OUTPUT_BYTES} /dev/zero\n`, false),
    );
    if (output.bytes !== OUTPUT_BYTES) throw new Error(`${output.bytes} bytes of output came, not ${OUTPUT_BYTES}`);
    seen.output.push(OUTPUT_BYTES / 1e6 / (output.ms / 1000));
    seen.outputRss.push(outputUse.peakRssMiB);
    const [, cleanupUse] = await used(place, async () => {
      await life.end(job, prepared);
      await empty(place);
    });
    usage.cleanup.add(cleanupUse);
    seen.api.push((await sandbox.control.calls()).length - callsBefore);
  }
  const cpuSeconds = { prepare: usage.prepare.cpu, stage: usage.stage.cpu, cleanup: usage.cleanup.cpu };
  const processes = {
    prepare: usage.prepare.processes,
    stage: usage.stage.processes,
    cleanup: usage.cleanup.processes,
  };
  const whole = (one: typeof processes) => one.prepare + USUAL_STAGES * one.stage + one.cleanup;
  return {
    runNoopMs: figure(seen.run),
    sshNoopMs: figure(seen.ssh),
    runToSsh: ratio(seen.run, seen.ssh),
    configMs: figure(seen.config),
    runningJobRssMiB: usage.silent.rss,
    runningJobPssMiB: usage.silent.pss,
    betweenStagesRssMiB: median(seen.between),
    outputMBPerSecond: Math.round(median(seen.output)),
    outputPeakRssMiB: median(seen.outputRss),
    preparePeakRssMiB: usage.prepare.rss,
    cleanupPeakRssMiB: usage.cleanup.rss,
    cpuSeconds,
    processes,
    cpuSecondsPerJob: round(whole(cpuSeconds), 2),
    processesPerJob: whole(processes),
    apiCallsPerJob: median(seen.api),
    withoutDelays: life.figures,
  };
}

/** What is added to a cloud that takes its time: jobs one after the other. */
export async function oneLife(place: Place, jobs: number): Promise<LifeFigures> {
  await setPace(place, REALISTIC);
  const life = new Life(REALISTIC);
  for (let n = 0; n < jobs; n++) {
    place.progress(`job ${n + 1} of ${jobs} with a cloud's delays`);
    const job = new BenchJob(place.sandbox, place.nextId());
    await job.config();
    const prepared = await job.prepare();
    await stage(job);
    await life.end(job, prepared);
    await empty(place);
  }
  return life.figures;
}

/** Milliseconds of one no-op stage. */
export async function stage(job: BenchJob): Promise<number> {
  const run = await job.run(NO_OP);
  if (run.exitCode !== 0) throw new Error(`a no-op stage of job ${job.id} failed: ${run.stderr}`);
  return run.ms;
}

function ratio(ours: readonly number[], theirs: readonly number[]): number {
  const sorted = ours.map((ms, index) => ms / theirs[index]!).sort((a, b) => a - b);
  return round(sorted[Math.floor(sorted.length / 2)] ?? 0, 2);
}

class Life {
  private readonly prepare: number[] = [];
  private readonly prepareAfterSsh: number[] = [];
  private readonly cleanup: number[] = [];
  private readonly gone: number[] = [];

  constructor(private readonly pace: Pace) {}

  async end(job: BenchJob, prepared: { readonly ms: number; readonly sshAfterMs: number }): Promise<void> {
    this.prepare.push(prepared.ms);
    this.prepareAfterSsh.push(prepared.ms - prepared.sshAfterMs);
    this.cleanup.push((await job.cleanup()).ms);
    this.gone.push(await job.gone());
  }

  get figures(): LifeFigures {
    const { pendingMs = 0, startingMs = 0, bootMs = 0 } = this.pace.delays;
    return {
      prepareMs: figure(this.prepare),
      addedToCloudMs: figure(this.prepare.map((ms) => ms - pendingMs - startingMs - bootMs)),
      prepareAfterSshMs: figure(this.prepareAfterSsh),
      cleanupMs: figure(this.cleanup),
      goneAfterCleanupMs: figure(this.gone),
    };
  }
}

class Usages {
  private readonly all: Usage[] = [];
  add(one: Usage): void {
    this.all.push(one);
  }
  /** The kernel counts in hundredths of a second: of short things the mean. */
  get cpu(): number {
    return round(this.all.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) / this.all.length, 3);
  }
  get processes(): number {
    return median(this.all.map(({ processes }) => processes));
  }
  get rss(): number {
    return median(this.all.map(({ peakRssMiB }) => peakRssMiB));
  }
  get pss(): number {
    return median(this.all.map(({ peakPssMiB }) => peakPssMiB));
  }
}
