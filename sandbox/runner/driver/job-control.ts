/** What can stop a job while it runs: GitLab's cancel, its hard cancel, and the clock. */
import { Canceled, Interrupted, OutOfTime } from './failure';

export class JobControl {
  private readonly whole = new AbortController();
  private script: AbortController | undefined;
  private asked = false;

  /** Everything but cleanup ends with it. The reason is a Canceled or an OutOfTime. */
  get signal(): AbortSignal {
    return this.whole.signal;
  }

  /**
   * GitLab's "canceling": a script under way ends, after_script and the rest still run; before the
   * script, all ends.
   */
  cancel(): void {
    this.asked = true;
    if (this.script) this.script.abort(new Canceled());
    else this.whole.abort(new Canceled());
  }

  /** GitLab's "canceled": nothing but cleanup runs any more. */
  abort(): void {
    this.asked = true;
    this.whole.abort(new Canceled());
  }

  get cancelAsked(): boolean {
    return this.asked;
  }

  /** The runner is told to end: nothing but cleanup runs any more. */
  interrupt(): void {
    this.whole.abort(new Interrupted());
  }

  timeOut(timeout: string): void {
    this.whole.abort(new OutOfTime(`execution took longer than ${timeout} seconds`));
  }

  /** From here on a cancel ends the script only. */
  beginScript(): AbortSignal {
    this.script = new AbortController();
    return AbortSignal.any([this.whole.signal, this.script.signal]);
  }

  /** A script's own limit. */
  endScript(reason: Error): void {
    this.script?.abort(reason);
  }
}
