/**
 * Runs one hook as the custom executor does: a process group of its own, SIGTERM then SIGKILL when
 * it is to stop.
 */
import { spawn } from 'node:child_process';

export interface HookCommand {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly onStdout: (text: string) => void;
  readonly onStderr: (text: string) => void;
  /** Aborted: the job was cancelled or its time is over. */
  readonly signal: AbortSignal;
  /** The hook's own limit; reaching it counts as a stop too. */
  readonly limitMs: number;
  readonly gracefulKillMs: number;
  readonly forceKillMs: number;
}

export interface HookExit {
  /** As a shell counts: 128 and the signal's number where a signal ended it. */
  readonly code: number;
  /** "exit status 2" or "signal: terminated". */
  readonly words: string;
  /** The runner told it to stop. */
  readonly stopped: boolean;
  /** Its own limit was reached. */
  readonly outOfTime: boolean;
}

export class HookNotStarted extends Error {}

/** A signal's name in the words of the runner, and its number. */
const SIGNALS: Readonly<Record<string, readonly [string, number]>> = {
  SIGHUP: ['hangup', 1],
  SIGINT: ['interrupt', 2],
  SIGKILL: ['killed', 9],
  SIGSEGV: ['segmentation fault', 11],
  SIGPIPE: ['broken pipe', 13],
  SIGTERM: ['terminated', 15],
};

/**
 * Resolves when the hook has ended and nobody holds its output open any more: the runner waits for
 * both.
 * @throws HookNotStarted when there is no such executable.
 */
export async function runHook(hook: HookCommand): Promise<HookExit> {
  const [file = '', ...args] = hook.command;
  const child = spawn(file, args, { cwd: hook.cwd, env: hook.env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.setEncoding('utf8').on('data', hook.onStdout);
  child.stderr.setEncoding('utf8').on('data', hook.onStderr);
  const timers: NodeJS.Timeout[] = [];
  let stopped = false;
  let outOfTime = false;
  const killGroup = (signal: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // The group is gone already.
    }
  };
  let abandon: (exit: HookExit) => void = () => undefined;
  const abandoned = new Promise<HookExit>((resolve) => (abandon = resolve));
  const giveUp = () => {
    child.stdout.destroy();
    child.stderr.destroy();
    abandon({ code: 137, words: 'failed to kill process', stopped, outOfTime });
  };
  const stop = () => {
    if (stopped) return;
    stopped = true;
    killGroup('SIGTERM');
    timers.push(setTimeout(() => killGroup('SIGKILL'), hook.gracefulKillMs));
    // A process that left the group may hold the output open for ever: after the last kill nobody
    // waits for it.
    timers.push(setTimeout(giveUp, hook.gracefulKillMs + hook.forceKillMs));
  };
  const closed = new Promise<HookExit>((resolve, reject) => {
    child.once('error', (error) => reject(new HookNotStarted(`failed to start command: ${error.message}`)));
    child.once('close', (code, signal) => resolve(exitOf(code, signal, { stopped, outOfTime })));
  });
  timers.push(
    setTimeout(() => {
      outOfTime = true;
      stop();
    }, hook.limitMs),
  );
  if (hook.signal.aborted) stop();
  hook.signal.addEventListener('abort', stop);
  try {
    return await Promise.race([closed, abandoned]);
  } finally {
    hook.signal.removeEventListener('abort', stop);
    for (const timer of timers) clearTimeout(timer);
  }
}

function exitOf(
  code: number | null,
  signal: NodeJS.Signals | null,
  ended: { stopped: boolean; outOfTime: boolean },
): HookExit {
  if (code !== null) return { code, words: `exit status ${code}`, ...ended };
  const [words, number] = SIGNALS[signal ?? ''] ?? [String(signal), 0];
  return { code: 128 + number, words: `signal: ${words}`, ...ended };
}
