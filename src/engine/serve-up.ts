import type { Slot } from '../host/queue';
import { UpCancelled } from './errors';
import { failUp, forgetUp } from './up-marker';
import { wordsOf, type FromUp, type ToUp } from './up-messages';
import type { BringUp, JobStackArgs } from './types';

/** The other end of the pipe: prepare. */
export interface Asker {
  tell(message: FromUp): void;
  onMessage(listener: (message: ToUp) => void): void;
  /** It has left, or died. */
  onGone(listener: () => void): void;
}

export interface ServeDependencies {
  readonly up: BringUp;
  /** Loads what an `up` will need. */
  readonly expect: () => Promise<void>;
  /**
   * A place among the `up`s that wait. The slot that it is given for goes back through `release` of
   * `creating` once there is one.
   */
  readonly place: (creating: Slot) => Slot & { accepted(): void };
  /** The job's work dir. */
  readonly directory: string;
  /** Told to end by somebody else than prepare: the destroyer, or the host's end. */
  readonly signal: AbortSignal;
}

/**
 * Brings a stack up for prepare, which may leave before that has ended. Resolves when nobody wants
 * anything any more and the engine is at rest: with false where an `up` failed that prepare had
 * left.
 */
export async function serveUps(asker: Asker, dependencies: ServeDependencies): Promise<boolean> {
  const { directory, signal } = dependencies;
  let current: RunningUp | undefined;
  let left = false;
  const start = (stackName: string): RunningUp =>
    new RunningUp(stackName, asker, dependencies, (sentence) => {
      // Whoever is still there is told.
      if (left) failUp(directory, sentence);
      else forgetUp(directory);
    });
  const over = new Promise<void>((resolve) => {
    asker.onGone(() => {
      // It died, or was cancelled, with an `up` under way.
      if (!left) current?.abort();
      resolve();
    });
    signal.addEventListener('abort', () => (current?.abort(), resolve()));
  });
  asker.onMessage((message) => {
    switch (message.kind) {
      case 'expect':
        // What can't be loaded is told by the `up` itself.
        return void dependencies.expect().catch(() => undefined);
      case 'begin':
        current = start(message.stackName);
        return;
      case 'up':
        // Of a further pool: the one before has ended.
        if (!current?.isOpen) current = start(message.args.stackName);
        return current.give(message.args);
      case 'leave':
        left = true;
        // One that has failed was told before this answer.
        return asker.tell({ kind: 'left' });
      case 'abort':
        return current?.abort();
      case 'abandon':
        return current?.abandon();
      case 'accepted':
        return current?.accepted();
    }
  });
  await over;
  return ((await current?.ended) ?? true) || !left;
}

class RunningUp {
  /** Nobody has said yet what it brings up. */
  isOpen = true;
  /** Whether it went well. */
  readonly ended: Promise<boolean>;
  private readonly aborted = new AbortController();
  private readonly abandoned = new AbortController();
  private settle!: { resolve(args: JobStackArgs): void; reject(reason: Error): void };
  private readonly args = new Promise<JobStackArgs>((resolve, reject) => (this.settle = { resolve, reject }));
  private readonly place: ReturnType<ServeDependencies['place']>;
  private hasPlace = false;
  private othersMade = false;
  private over = false;

  constructor(
    stackName: string,
    private readonly asker: Asker,
    { up, place, directory }: ServeDependencies,
    onFailed: (sentence: string) => void,
  ) {
    this.place = place({ release: () => this.placed() });
    // It may fail before it asks.
    this.args.catch(() => undefined);
    const request = { stackName, args: this.args };
    this.ended = up(request, {
      create: false,
      signal: this.aborted.signal,
      abandon: this.abandoned.signal,
      log: (line) => asker.tell({ kind: 'log', line }),
      onResource: (event) => asker.tell({ kind: 'resource', event }),
      onAccepted: () => {
        this.accepted();
        asker.tell({ kind: 'accepted' });
      },
      onOthersMade: () => {
        this.othersMade = true;
        this.tellMayLeave();
      },
    })
      .finally(() => {
        this.over = true;
        this.place.release();
      })
      .then(
        (result) => {
          // Before it is told: the marker of a stack that is up would speak of a failure.
          forgetUp(directory);
          asker.tell({ kind: 'done', result });
          return true;
        },
        (error: unknown) => {
          const words = wordsOf(error);
          onFailed(words.message);
          asker.tell({ kind: 'failed', error: words });
          return false;
        },
      );
  }

  give(args: JobStackArgs): void {
    this.isOpen = false;
    this.settle.resolve(args);
  }

  abort(): void {
    this.aborted.abort();
    this.settle.reject(new UpCancelled('The job does not want its stack any more'));
  }

  abandon(): void {
    this.abandoned.abort();
  }

  accepted(): void {
    if (!this.over) this.place.accepted();
  }

  /** What prepare holds may go; not at the end, when it may want the next pool. */
  private placed(): void {
    if (this.over) return;
    this.hasPlace = true;
    this.asker.tell({ kind: 'placed' });
    this.tellMayLeave();
  }

  private tellMayLeave(): void {
    if (this.hasPlace && this.othersMade) this.asker.tell({ kind: 'mayLeave' });
  }
}
