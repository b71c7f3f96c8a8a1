import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { HostError } from '../errors';
import { openLog, surroundings } from '../host/spawn-detached';
import { jobFiles } from '../jobs/files';
import type { Variables } from '../settings/environment';
import type { Settings } from '../settings/types';
import { PulumiCli } from './cli';
import { beginUp } from './up-marker';
import { errorOf, type FromUp, type ToUp } from './up-messages';
import { initStack } from './init-stack';
import type { Engine, JobStackArgs, UpApart, UpOptions, UpResult } from './types';
import { cliVersion } from './version';
import { cliEnvironment, ensureWorkDir } from './workspace';

/** It has nothing to do but to answer; on a busy host that may take a while. */
const ANSWER_LIMIT_MS = 30_000;

/** dist/executor/up.js, and the hook's own variables. */
export interface UpProgram {
  readonly program: string;
  readonly variables: Variables;
}

/**
 * Starts the process that will bring this stack up. In a session of its own, since the runner's
 * signals go to the hook's group; with nothing of the runner's or the job's, since it may outlive
 * both. It loads what an `up` needs, and does nothing before it is asked.
 */
export function startUp(settings: Settings, { program, variables }: UpProgram, stackName: string): UpApart {
  const directory = jobFiles(settings.stateDir, stackName).engine;
  ensureWorkDir(directory);
  const log = openLog(settings, 'up');
  try {
    const child = spawn(process.execPath, [program, stackName], {
      ...surroundings(settings, variables),
      cwd: directory,
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
    const cli = new PulumiCli(cliEnvironment(settings));
    return new UpProcess(child, { stackName, directory }, async (options) => {
      await cliVersion(cli, settings.stateDir);
      await initStack(stackName, { cli, settings, directory }, options);
    });
  } finally {
    closeSync(log);
  }
}

class UpProcess implements UpApart {
  private current:
    | { readonly options: UpOptions; forget(): void; resolve(result: UpResult): void; reject(error: unknown): void }
    | undefined;
  private death: HostError | undefined;
  private failure: unknown;
  /** Told of before the first `up` was asked for. */
  private begun: { readonly stack: Promise<void>; readonly log: UpOptions['log'] } | undefined;
  private onLeft: () => void = () => undefined;

  constructor(
    private readonly child: ChildProcess,
    private readonly stack: { readonly stackName: string; readonly directory: string },
    private readonly makeStack: (options: Pick<UpOptions, 'signal'>) => Promise<void>,
  ) {
    child.on('message', (message) => this.read(message as FromUp));
    child.on('error', (error) => this.died(error.message));
    child.on('exit', (code, signal) => this.died(signal ?? `exit ${code}`));
    this.tell({ kind: 'expect' });
  }

  begin(options: Pick<UpOptions, 'create' | 'signal' | 'log'>): void {
    const { stackName } = this.stack;
    this.begun = { stack: this.start(options).then(() => this.tell({ kind: 'begin', stackName })), log: options.log };
    this.begun.stack.catch(() => undefined);
  }

  readonly up: Engine['up'] = async (args, options) => {
    const { begun } = this;
    if (begun) {
      await begun.stack;
      this.begun = undefined;
    } else {
      // Of a pool before.
      this.failure = undefined;
      await this.start(options);
    }
    if (this.failure ?? this.death) throw this.failure ?? this.death;
    return this.ask(args, options);
  };

  /** The stack is made by us, at once: the process has no turn for it while it loads the SDK. */
  private async start(options: Pick<UpOptions, 'signal' | 'create'>): Promise<void> {
    if (options.create !== false) await this.makeStack(options);
    if (this.death) throw this.death;
    // Before it is asked for anything: whoever cleans up has to find it.
    beginUp(this.stack.directory, this.child.pid!);
  }

  private ask(args: JobStackArgs, options: UpOptions): Promise<UpResult> {
    return new Promise((resolve, reject) => {
      this.tell({ kind: 'up', args });
      const stop = [
        onAbort(options.signal, () => this.tell({ kind: 'abort' })),
        onAbort(options.abandon, () => this.tell({ kind: 'abandon' })),
      ];
      const settled = (): void => {
        this.current = undefined;
        stop.forEach((one) => one());
      };
      this.current = {
        options,
        forget: settled,
        resolve: (result) => (settled(), resolve(result)),
        reject: (error) => (settled(), reject((this.failure = error))),
      };
    });
  }

  accepted(): void {
    this.tell({ kind: 'accepted' });
  }

  async leave(): Promise<void> {
    if (this.death) throw this.death;
    const answered = new Promise<void>((resolve) => (this.onLeft = resolve));
    const limit = setTimeout(() => this.died(`no answer within ${ANSWER_LIMIT_MS / 1000} s`), ANSWER_LIMIT_MS);
    this.tell({ kind: 'leave' });
    await answered;
    clearTimeout(limit);
    if (this.failure ?? this.death) throw this.failure ?? this.death;
    // How it ends is for others to see.
    this.current?.forget();
    await this.end();
  }

  async end(): Promise<void> {
    if (this.child.connected) this.child.disconnect();
    this.child.unref();
    await this.begun?.stack.catch(() => undefined);
  }

  private tell(message: ToUp): void {
    // One that is gone is told of by its exit.
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  private read(message: FromUp): void {
    if (message.kind === 'left') return this.onLeft();
    const { options } = this.current ?? {};
    switch (message.kind) {
      case 'log':
        return (options ?? this.begun)?.log(message.line);
      case 'resource':
        return options?.onResource?.(message.event);
      case 'accepted':
        return options?.onAccepted?.();
      case 'placed':
        return options?.onPlaced?.();
      case 'mayLeave':
        return options?.onMayLeave?.();
      case 'done':
        return this.current?.resolve(message.result);
      case 'failed':
        if (!this.current) this.failure = errorOf(message.error);
        return this.current?.reject(errorOf(message.error));
    }
  }

  private died(how: string): void {
    this.death ??= new HostError(`The process that brings the job's stack up has ended (${how})`, {
      remedy: 'Look at `dmesg` for the kernel’s word, and at log/up.log in the state folder.',
      retryable: true,
    });
    this.current?.reject(this.death);
    this.onLeft();
  }
}

function onAbort(signal: AbortSignal | undefined, action: () => void): () => void {
  if (!signal) return () => undefined;
  if (signal.aborted) action();
  signal.addEventListener('abort', action, { once: true });
  return () => signal.removeEventListener('abort', action);
}
