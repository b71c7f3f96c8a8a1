import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { play, type OwnedJob } from './owned-job';

/**
 * Plays the jobs that it reads from standard input, a line of JSON each, several side by side, and
 * answers a line for each. It loads what hooks load and no more, so the most memory that it ever
 * held is more than any of those hooks needs.
 */
export interface Played {
  readonly at: number;
  /** It got an instance. */
  readonly isRunning: boolean;
  readonly longestMs: number;
  /** What did not hold. */
  readonly problem?: string;
  /** The most memory that this process ever held. */
  readonly peakMiB: number;
}

const HANGS_MS = 120_000;

async function answer(line: string): Promise<void> {
  const { at, job } = JSON.parse(line) as { at: number; job: OwnedJob };
  let timer: NodeJS.Timeout | undefined;
  const hangs = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('the case does not end')), HANGS_MS);
  });
  const played = await Promise.race([play(job), hangs]).catch((error: unknown) => ({
    isRunning: false,
    longestMs: 0,
    problem: told(error),
  }));
  clearTimeout(timer);
  const found: Played = { at, ...played, ...(warned ? { problem: warned } : {}), peakMiB: peakMiB() };
  warned = undefined;
  process.stdout.write(`${JSON.stringify(found)}\n`);
}

function told(error: unknown): string {
  const { stack = String(error), cause } = error as Error;
  return cause === undefined ? stack : `${stack}\ncaused by ${told(cause)}`;
}

function peakMiB(): number {
  const kib = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Math.round(Number(kib) / 1024);
}

// Node would write it into the job's log.
let warned: string | undefined;
process.on('warning', (warning) => (warned ??= told(warning)));

/** As a hook, it does not wait for connections that are still closing. */
async function main(): Promise<void> {
  const answered: Promise<void>[] = [];
  for await (const line of createInterface({ input: process.stdin })) answered.push(answer(line));
  await Promise.all(answered);
  process.exit(0);
}

void main();
