import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { formatDuration } from '../duration';
import { HostError } from '../errors';
import { findProgram } from '../host/find-program';
import { readMarker, writeMarker } from '../host/marker';
import { livenessOf, ownerMarker, ownerOf, processStat, type ProcessOwner } from '../host/process-owner';

/** One call of the pulumi CLI, as it ended. */
export interface CliResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliCall {
  readonly args: readonly string[];
  /** Where Pulumi.yaml is. The CLI's output and pid are kept there too. */
  readonly directory: string;
  /** Aborted: the CLI gets one SIGTERM, and is waited for. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Aborted: the instance will never come. The plugins are killed, so that the CLI ends at once and
   * in order.
   */
  readonly abandon?: AbortSignal | undefined;
}

/** Enough for any JSON we read; what an update prints is not read beyond. */
const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;
const PID_FILE = 'cli.json';

/**
 * Longer than a call takes, the provider's own limits included: one that is still there hangs, on a
 * backend that took its question and does not answer, say. Whoever waits for it would for ever, and
 * for a destroyer everybody else's stacks.
 */
const LIMITS = { version: 60_000, plugin: 60_000, up: 60 * 60_000, destroy: 30 * 60_000, other: 10 * 60_000 };
/** Between the ways to end it: in order, without its plugins, by force. */
const GRACE_MS = 20_000;

/**
 * Starts the CLI so that it survives us: in a session of its own (the runner's signals go to the
 * hook's process group, and a CLI killed in the middle of a creation leaves an instance that no
 * state knows), with its output in files (a Go program whose stdout pipe breaks dies of SIGPIPE).
 * Its environment is the host's, without anything of a job.
 */
export class PulumiCli {
  constructor(
    readonly environment: Readonly<Record<string, string>>,
    private readonly limits = { ...LIMITS, grace: GRACE_MS },
  ) {}

  /** Absolute path of the executable. @throws HostError when there is none. */
  find(): string {
    const found = findProgram('pulumi', this.environment.PATH);
    if (found !== undefined) return found;
    throw new HostError('There is no `pulumi` on PATH', {
      remedy: 'Install the pulumi CLI (3.x) on the runner host, or add its folder to the PATH of the runner’s service.',
    });
  }

  /**
   * Resolves with what the CLI printed, whatever its exit code. @throws HostError when it can't be
   * started, or does not end.
   */
  async run({ args, directory, signal, abandon }: CliCall): Promise<CliResult> {
    const executable = this.find();
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const name = `${args[0] === 'stack' ? `stack-${args[1]}` : args[0]}`;
    const files = [`${name}.out`, `${name}.err`].map((file) => ownFile(path.join(directory, file)));
    const [stdout, stderr] = files as [number, number];
    try {
      const child = spawn(executable, [...args, ...(args.includes('--non-interactive') ? [] : ['--non-interactive'])], {
        cwd: directory,
        env: this.environment,
        detached: true,
        stdio: ['ignore', stdout, stderr],
      });
      const ended = new Promise<number>((resolve, reject) => {
        child.once('error', reject);
        child.once('exit', (code, killedBy) => resolve(code ?? 128 + (killedBy ? constants.signals[killedBy] : 0)));
      });
      const pid = child.pid;
      if (pid !== undefined) rememberPid(directory, pid);
      const stop = onAbort(signal, () => pid !== undefined && kill(pid, 'SIGTERM'));
      const giveUp = onAbort(abandon, () => pid !== undefined && killPlugins(pid));
      const limitMs = this.limits[args[0] as keyof typeof LIMITS] ?? this.limits.other;
      const startMs = performance.now();
      const ends = [() => kill(pid!, 'SIGTERM'), () => killPlugins(pid!), () => kill(pid!, 'SIGKILL')].map(
        (end, count) => setTimeout(end, limitMs + count * this.limits.grace),
      );
      try {
        const exitCode = await ended;
        if (exitCode !== 0 && performance.now() - startMs >= limitMs)
          throw new HostError(`\`pulumi ${args[0]}\` did not end within ${formatDuration(limitMs)}, and was ended`, {
            remedy:
              'Look whether its backend and the cloud answer (`gitlab-spot doctor`), and whether it is the real CLI.',
            retryable: true,
          });
        return { exitCode, stdout: head(stdout), stderr: head(stderr) };
      } finally {
        ends.forEach((end) => clearTimeout(end));
        stop();
        giveUp();
        if (pid !== undefined) killPlugins(pid);
        rmSync(path.join(directory, PID_FILE), { force: true });
      }
    } catch (error) {
      if (error instanceof HostError) throw error;
      throw new HostError(`The pulumi CLI ${executable} can't be started (${(error as NodeJS.ErrnoException).code})`, {
        remedy: 'Check that it is a program for this machine and may be executed.',
        cause: error,
      });
    } finally {
      files.forEach((file) => closeSync(file));
    }
  }
}

/**
 * The CLI that works in this directory although the hook that started it has died. @throws
 * MarkerNewer
 */
export function runningCli(directory: string): ProcessOwner | undefined {
  const owner = readMarker(path.join(directory, PID_FILE), ownerMarker);
  return owner && livenessOf(owner) === 'alive' ? owner : undefined;
}

/**
 * Kills the plugins that a CLI has left behind: a killed CLI leaves its provider, 250 MB each.
 * `session` is the CLI's pid; while the CLI lives, its children belong to it whatever their
 * session.
 */
export function killPlugins(session: number): void {
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === session) continue;
    const stat = processStat(pid);
    if (stat?.session === session || stat?.parent === session) kill(pid, 'SIGKILL');
  }
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function rememberPid(directory: string, pid: number): void {
  const owner = ownerOf(pid);
  if (owner) writeMarker(path.join(directory, PID_FILE), ownerMarker, owner);
}

function onAbort(signal: AbortSignal | undefined, action: () => void): () => void {
  if (!signal) return () => undefined;
  if (signal.aborted) action();
  signal.addEventListener('abort', action, { once: true });
  return () => signal.removeEventListener('abort', action);
}

/**
 * A file of this call alone: calls in the same directory use the same name, and each must read what
 * its own CLI wrote.
 */
function ownFile(file: string): number {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  const descriptor = openSync(draft, 'wx+', 0o600);
  renameSync(draft, file);
  return descriptor;
}

function head(file: number): string {
  const buffer = Buffer.alloc(Math.min(fstatSync(file).size, MAX_OUTPUT_BYTES));
  return buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, 0));
}
