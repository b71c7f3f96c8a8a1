import { type Emit } from '../deployment/events';

const NOTE = 'Note that terminating immediately may lead to orphaned resources and other inconsistencies.\n';

/**
 * SIGINT and SIGTERM: the first asks the deployment to come to an end, the second ends it at once.
 */
export class Interrupts {
  private cancel!: () => void;
  readonly cancelled = new Promise<void>((resolve) => (this.cancel = resolve));
  private terminate!: () => void;
  /** Resolves at the second signal. */
  readonly terminated = new Promise<void>((resolve) => (this.terminate = resolve));
  private emit: Emit = () => undefined;
  private count = 0;

  constructor() {
    process.on('SIGINT', this.handle);
    process.on('SIGTERM', this.handle);
  }

  get isTerminated(): boolean {
    return this.count > 1;
  }

  /** Where to say that a signal came. */
  watch(emit: Emit): void {
    this.emit = emit;
  }

  close(): void {
    process.off('SIGINT', this.handle);
    process.off('SIGTERM', this.handle);
  }

  private readonly handle = (signal: NodeJS.Signals): void => {
    this.count++;
    const [name, again] = signal === 'SIGTERM' ? ['SIGTERM', 'send SIGTERM again'] : ['^C', 'press ^C again'];
    if (this.count === 1) {
      this.say(`${name} received; cancelling. If you would like to terminate immediately, ${again}.\n${NOTE}`);
      this.cancel();
    } else if (this.count === 2) {
      this.say(`${name} received; terminating`);
      this.terminate();
    }
  };

  private say(message: string): void {
    this.emit({ stdoutEvent: { message, color: 'always' } });
  }
}
