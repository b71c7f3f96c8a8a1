import { Writable } from 'node:stream';
import { randomUUID } from 'node:crypto';
import { createStageRunner, DEFAULT_INTERPRETER, type StageRunnerOptions } from '../../../src/ssh';
import type { SshTarget, StageOutcome, StageRequest } from '../../../src/ssh/types';

/** Collects what it is given, as text and with the time of each piece. */
export class Log extends Writable {
  readonly chunks: Buffer[] = [];
  private readonly waiting: { text: string; resolve: () => void }[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(chunk);
    // Put together only for whoever waits: each piece anew, that took minutes for 50 MB.
    const text = this.waiting.length > 0 ? this.text : '';
    for (const waiter of this.waiting.filter((entry) => text.includes(entry.text))) waiter.resolve();
    done();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString('utf8');
  }

  /** Resolves when the log contains the text. */
  contains(text: string): Promise<void> {
    if (this.text.includes(text)) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ text, resolve }));
  }
}

export interface StageRunning {
  readonly log: Log;
  readonly outcome: Promise<StageOutcome>;
  readonly cancel: () => void;
  readonly runId: string;
}

export interface StageOptions extends StageRunnerOptions {
  readonly request?: Partial<StageRequest>;
  /** Default bash, as gitlab-runner's scripts begin. */
  readonly raw?: boolean;
}

/** Runs a script as a stage through StageRunner. */
export function startStage(target: SshTarget, script: string | Buffer, options: StageOptions = {}): StageRunning {
  const log = new Log();
  const abort = new AbortController();
  const runId = options.request?.runId ?? randomUUID();
  const outcome = createStageRunner({ graceMs: 1000, ...options }).run({
    target,
    runId,
    stage: 'build_script',
    script: Buffer.from(script),
    interpreter: DEFAULT_INTERPRETER,
    stdout: log,
    signal: abort.signal,
    isLost: () => Promise.resolve(false),
    reconnectMs: 20_000,
    ...options.request,
  });
  return { log, outcome, runId, cancel: () => abort.abort() };
}

/** Runs a script to its end. */
export async function runStage(
  target: SshTarget,
  script: string | Buffer,
  options: StageOptions = {},
): Promise<{ outcome: StageOutcome; log: Log }> {
  const { log, outcome } = startStage(target, script, options);
  return { outcome: await outcome, log };
}
