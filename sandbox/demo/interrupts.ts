/** What ends a demo before its time. */
import type { Project } from '../runner/run-pipeline';
import type { Screen } from './screen';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Ctrl-C cancels the pipeline as GitLab's button does; again, the jobs stop at once. Cleanup runs
 * either way, also where nobody reads the output any more (`| head`).
 */
export class Interrupts {
  private project: Project | undefined;
  /** Undefined: nothing of the kind happened. */
  exitCode: 130 | 141 | undefined;
  private readonly onSignal = (): void => {
    this.screen.say(
      this.exitCode === undefined
        ? 'cancelling: running jobs end, their instances are given back (again: stop at once)'
        : 'stopping at once; cleanup still runs',
    );
    this.exitCode = 130;
    this.project?.cancel();
  };
  /** Every write after it fails likewise. */
  private readonly onClosedPipe = (): void => {
    if (this.exitCode === undefined) this.project?.cancel();
    this.exitCode ??= 141;
  };

  constructor(private readonly screen: Screen) {
    for (const signal of SIGNALS) process.on(signal, this.onSignal);
    // For good: a write of before may fail after the end.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', this.onClosedPipe);
  }

  watch(project: Project): void {
    this.project = project;
    if (this.exitCode !== undefined) setImmediate(() => project.cancel());
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.onSignal);
  }
}
