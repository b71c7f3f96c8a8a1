/**
 * The stand-in gitlab-runner: takes pending jobs, as many side by side as it may, and drives the
 * hooks for each.
 */
import { systemClock } from './driver/clock';
import { JobControl } from './driver/job-control';
import { runJob } from './driver/job-run';
import type { RunnerIdentity, Slot } from './driver/variables';
import type { Job, Jobs } from './gitlab/jobs';
import type { RunnerEvent, RunnerLimits, RunnerOptions } from './types';
import { runnerVersion } from './versions';

/** gitlab-runner's own. */
const DEFAULT_LIMITS: RunnerLimits = {
  configMs: 3_600_000,
  prepareMs: 3_600_000,
  cleanupMs: 3_600_000,
  gracefulKillMs: 600_000,
  forceKillMs: 10_000,
  retryPauseMs: 3_000,
};

const IDENTITY: RunnerIdentity = { name: 'sandbox', shortToken: 'sandbox00', systemId: 's_sandbox00000' };

export class Runner {
  private readonly running = new Map<Job, { control: JobControl; slot: Slot; done: Promise<void> }>();
  private readonly stopListening: (() => void)[];
  private closed = false;

  constructor(
    private readonly jobs: Jobs,
    private readonly options: RunnerOptions,
    private readonly onEvent: (event: RunnerEvent) => void,
  ) {
    this.stopListening = [jobs.on('pending', () => this.fill()), jobs.on('state', (job) => this.obey(job))];
    this.fill();
  }

  /** Takes no more jobs; resolves when those under way have ended, cleanup and all. */
  async close(): Promise<void> {
    this.closed = true;
    for (const stop of this.stopListening) stop();
    await Promise.all([...this.running.values()].map(({ done }) => done));
  }

  /**
   * As gitlab-runner on SIGTERM: the jobs under way end at once, and only their cleanup still runs.
   */
  interrupt(): void {
    for (const { control } of this.running.values()) control.interrupt();
  }

  private fill(): void {
    while (!this.closed && this.running.size < this.options.concurrency) {
      const job = this.jobs.take();
      if (!job) return;
      const control = new JobControl();
      const slot = this.freeSlot();
      this.running.set(job, { control, slot, done: this.run(job, control, slot) });
    }
  }

  private freeSlot(): Slot {
    const used = new Set([...this.running.values()].map(({ slot }) => slot.concurrentId));
    let free = 0;
    while (used.has(free)) free += 1;
    return { concurrentId: free, concurrentProjectId: free };
  }

  private obey(job: Job): void {
    const control = this.running.get(job)?.control;
    if (job.state === 'canceling') control?.cancel();
    else if (job.state === 'canceled') control?.abort();
  }

  /** GitLab hears of the end only after cleanup, and only then is the slot free. */
  private async run(job: Job, control: JobControl, slot: Slot): Promise<void> {
    const { hooks, environment, limits, version } = this.options;
    const name = job.payload.job_info.name;
    const about = { id: job.id, name };
    const outcome = await runJob(job.payload, {
      hooks,
      environment,
      version: runnerVersion(version ?? '19.3'),
      limits: { ...DEFAULT_LIMITS, ...limits },
      identity: IDENTITY,
      slot,
      control,
      clock: systemClock,
      log: (text) => job.append(text),
      cleanupOutput: (text) => this.onEvent({ type: 'runner-log', ...about, text }),
      observe: (event) =>
        this.onEvent({
          type: 'hook',
          ...about,
          hook: event.hook,
          phase: event.phase,
          ...(event.phase === 'exit' ? { exit: event.exit.code } : {}),
        }),
    });
    this.running.delete(job);
    job.finish({ state: outcome.state, failureReason: outcome.failureReason, exitCode: outcome.exitCode });
    this.fill();
  }
}
