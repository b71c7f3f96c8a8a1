import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processStat } from '../../src/host/process-owner';

/** The product's processes of one sandbox, as a crash test picks them. */
export type Program = 'waiting' | 'prepare' | 'up' | 'run' | 'cleanup' | 'destroyer' | 'keeper' | 'pulumi' | 'provider';

export interface Found {
  readonly pid: number;
  readonly program: Program;
  /** The CLI's verb: `up`, `destroy`, `stack init`, `stack rm`. */
  readonly verb: string;
  /** GitLab's id of the job it works for; 0: for spare machines. A destroyer works for all. */
  readonly jobId: number | undefined;
}

/**
 * Every such process that was started with this sandbox's own folders in its environment: the hooks
 * know the state directory, the CLI and its provider the backend.
 */
export function processesOf(directory: string): Found[] {
  const markers = [
    `GITLAB_SPOT_STATE_DIR=${path.join(directory, 'state')}`,
    `PULUMI_BACKEND_URL=file://${path.join(directory, 'backend')}`,
  ];
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .flatMap((pid) => {
      const [program, verb] = programOf(lines(pid, 'cmdline'));
      if (!program) return [];
      const environment = lines(pid, 'environ');
      if (!markers.some((marker) => environment.includes(marker)) || processStat(pid)?.ended) return [];
      return [{ pid, program, verb, jobId: program === 'keeper' ? 0 : jobIdOf(pid, environment) }];
    });
}

/**
 * Resolves with the first process that matches; undefined when the signal says that it will not
 * come any more.
 */
export async function firstOf(
  directory: string,
  matches: (found: Found) => boolean,
  signal: AbortSignal,
): Promise<Found | undefined> {
  while (!signal.aborted) {
    const found = processesOf(directory).find(matches);
    if (found) return found;
    await sleep(20);
  }
  return undefined;
}

function programOf(argv: readonly string[]): [Program | undefined, string] {
  const names = argv.slice(0, 2).map((argument) => path.basename(argument));
  const hook = (['prepare', 'up', 'run', 'cleanup', 'destroyer', 'keeper'] as const).find((name) =>
    names.includes(`${name}.js`),
  );
  if (hook) return [hook, ''];
  // The shell before prepare.js, and what it says there in node.
  if (names[1] === 'prepare') return ['waiting', ''];
  if (names.includes('report-queued.js')) return ['waiting', 'announce'];
  if (names.some((name) => name.startsWith('pulumi-resource-'))) return ['provider', ''];
  const at = names.findIndex((name) => name === 'pulumi' || name === 'pulumi.js');
  if (at < 0) return [undefined, ''];
  const [verb = '', second = ''] = argv.slice(at + 1);
  return ['pulumi', verb === 'stack' ? `stack ${second}` : verb];
}

/**
 * A hook has it in its environment; what it starts works in the job's folder, whose name holds it.
 */
function jobIdOf(pid: number, environment: readonly string[]): number | undefined {
  const named = environment.find((line) => line.startsWith('CUSTOM_ENV_CI_JOB_ID='))?.split('=')[1];
  const folder = folderOf(processStat(pid)?.session ?? pid) || folderOf(pid);
  if (named === undefined && path.basename(folder).startsWith('spare-')) return 0;
  const id = named ?? /-(\d+)-\d+(?:\/|$)/.exec(folder)?.[1];
  return id === undefined ? undefined : Number(id);
}

function folderOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

function lines(pid: number, file: 'cmdline' | 'environ'): string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
