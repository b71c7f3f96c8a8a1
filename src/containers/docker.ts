import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod/mini';
import type { JobVariables } from '../gitlab/expand';
import { parsedAs } from '../schema';
import { quote, quoteAll } from '../ssh/quote';
import type { SshConnection } from '../ssh/types';
import { ContainerFailed, ImageRefused } from './errors';
import { containerEnvironment } from './variables';

export interface DockerAnswer {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

interface DockersFailure {
  readonly reason: string;
  /** The image's or the job's doing. */
  readonly isRefusal: boolean;
}

/** What `docker inspect` says holds the job's variables. */
export const MOST_INSPECTED_BYTES = 1024 * 1024;

/** What is shown of a container's output. */
const LAST_BYTES = 4096;

/**
 * The instance's docker. Registry credentials live in a folder of the job's own; secrets go over
 * standard input, never into argv.
 */
export class Docker {
  private home: string | undefined;

  constructor(private readonly connection: SshConnection) {}

  /** Runs `docker …`; an exit status other than 0 is an answer too. */
  run(
    args: readonly string[],
    options: { readonly stdin?: string; readonly timeoutMs?: number; readonly mostBytes?: number } = {},
  ): Promise<DockerAnswer> {
    return this.shell(commandLine(args), { timeoutMs: 60_000, ...options });
  }

  /** As run, but throws ContainerFailed with docker's last word. */
  async must(
    what: string,
    args: readonly string[],
    options: { readonly timeoutMs?: number; readonly mostBytes?: number } = {},
  ): Promise<string> {
    return this.succeeded(what, await this.run(args, options));
  }

  /** `docker run --detach` or `docker create`, with these variables. @throws ContainerFailed */
  async make(
    verb: 'run' | 'create',
    container: { readonly name: string; readonly what: string; readonly variables: JobVariables },
    args: readonly string[],
  ): Promise<void> {
    const { file, exports, names } = containerEnvironment(container.variables);
    await this.keep(`${container.name}.env`, file);
    await this.keep(`${container.name}.sh`, exports);
    const words = [
      ...[verb, ...(verb === 'run' ? ['--detach'] : []), '--name', container.name],
      ...['--env-file', `${await this.folder()}/${container.name}.env`],
      ...names.flatMap((name) => ['--env', name]),
      ...args,
    ];
    const own = `. "$HOME/.gitlab-spot/docker/${container.name}.sh"`;
    const what = `Starting ${container.what}`;
    const answer = await this.shell(`${own}; ${commandLine(words)}`, { timeoutMs: 60_000 });
    if (isRefusal(answer)) throw new ImageRefused(`${what} failed: ${lastLine(answer.stderr)}`);
    this.succeeded(what, answer);
  }

  /** A command line for the instance's sh, with the environment of a login. */
  shell(
    command: string,
    options: { readonly stdin?: string; readonly timeoutMs?: number; readonly mostBytes?: number } = {},
  ): Promise<DockerAnswer> {
    const file = '"$HOME/.gitlab-spot/environment"';
    // A shell that finds no such file would end.
    return this.connection.exec(`sh -c ${quote(`[ ! -r ${file} ] || . ${file}\n${command}`)}`, options);
  }

  /**
   * The last lines that a container has printed. A line may be of any length, so the instance cuts
   * them off.
   */
  async lastLines(container: string, count: number): Promise<string> {
    const logs = commandLine(['logs', '--tail', String(count), container]);
    return (await this.shell(`(${logs}) 2>&1 | tail -c ${LAST_BYTES}`)).stdout;
  }

  /**
   * Why `docker start` has a status that is not the container's own: it could not be started, it is
   * gone, or docker itself has ended. Undefined: docker does not deny it.
   */
  async failureOf(container: string, status: number): Promise<DockersFailure | undefined> {
    const inspect = ['inspect', '--format', '{{json .}}', container];
    const looked = await this.run(inspect, { mostBytes: MOST_INSPECTED_BYTES });
    // As docker itself fails, whatever its version says; one that was killed says nothing.
    if (looked.exitCode === 1) return { reason: lastLine(looked.stderr), isRefusal: false };
    const { ExitCode: exitCode = status, Error: error = '' } = parsedAs(inspected, looked.stdout)?.State ?? {};
    if (exitCode === status && error === '') return undefined;
    const reason = lastLine(error) || `it has ended with ${status}, the container has not`;
    return { reason, isRefusal: isRefusal({ exitCode, stderr: error }) };
  }

  /**
   * A file of mode 0600 in the job's own folder on the instance; gone with `forget`. Half of it would
   * be a job without its variables, or a pull without its login. @throws ContainerFailed
   */
  async keep(name: string, content: string): Promise<void> {
    const folder = '"$HOME/.gitlab-spot/docker"';
    const command = `umask 077; mkdir -p ${folder} && cat >${folder}/${name}`;
    this.succeeded(`Writing ${name} on the instance`, await this.shell(command, { stdin: content, timeoutMs: 30_000 }));
  }

  /** Absolute path of that folder, for docker's own arguments. */
  async folder(): Promise<string> {
    this.home ??= (await this.shell('printf %s "$HOME"', { timeoutMs: 30_000 })).stdout;
    return `${this.home}/.gitlab-spot/docker`;
  }

  async forget(): Promise<void> {
    await this.shell('rm -rf "$HOME/.gitlab-spot/docker"', { timeoutMs: 30_000 });
  }

  private succeeded(what: string, { stdout, stderr, exitCode }: DockerAnswer): string {
    if (exitCode === 0) return stdout;
    throw new ContainerFailed(`${what} failed: ${lastLine(stderr) || `exit ${exitCode}`}`, { retryable: true });
  }
}

const inspected = z.object({ State: z.object({ ExitCode: z.optional(z.number()), Error: z.optional(z.string()) }) });

function commandLine(args: readonly string[]): string {
  return `DOCKER_CONFIG="$HOME/.gitlab-spot/docker" exec docker ${quoteAll(args)}`;
}

/**
 * What is asked for is not in the image: its command can't be run (126), is not there (127) or not
 * named, nor is its user. Another instance would say the same.
 * https://docs.docker.com/engine/containers/run/#exit-status
 */
function isRefusal({ exitCode, stderr }: Pick<DockerAnswer, 'exitCode' | 'stderr'>): boolean {
  return exitCode === 126 || exitCode === 127 || /no command specified|unable to find (user|group)/i.test(stderr);
}

const SAYS_NOTHING = /^(Error: failed to start containers|(Run|See) 'docker .*--help')/;

/** docker says why in its last line that says anything, behind a prefix that doesn't. */
export function lastLine(stderr: string): string {
  const line = stderr.split('\n').findLast((each) => each.trim() !== '' && !SAYS_NOTHING.test(each)) ?? '';
  return line.replace(/^(docker: )?Error response from daemon: /, '').slice(0, 300);
}

const POLL_MS = 300;

/** Asks again until the answer is not undefined, or the limit is reached (undefined). */
export async function poll<T>(
  ask: () => Promise<T | undefined>,
  limitMs: number,
  signal: AbortSignal,
): Promise<T | undefined> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    signal.throwIfAborted();
    const answer = await ask();
    if (answer !== undefined || Date.now() >= deadline) return answer;
    await sleep(POLL_MS);
  }
}
