import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OnCall } from '../../sandbox/cloud/server/rpc';
import type { Crash } from './crashes';
import { firstOf, processesOf, type Found, type Program } from './victims';

/** Of a process, at a step of its own. */
export interface Death {
  readonly text: string;
  /** The steps before it. */
  readonly did: readonly string[];
  readonly lane?: string | undefined;
}

/** Carries crashes out in one sandbox. */
export class Killers {
  private readonly waiting = new Set<(call: Parameters<OnCall>[0], jobId: number | undefined) => void>();
  /** Which job's a security group, an instance or a key pair is; 0: a spare machine's. */
  private readonly jobOf = new Map<string, number>();
  private directory = '';

  /** What the cloud is started with. */
  readonly onCall: OnCall = (call) => {
    const values = Object.values(call.parameters);
    const named = values.map((value) => /^job-.+-(\d+)-\d+$/.exec(String(value))?.[1]).find(Boolean);
    const known = values.map((value) => this.jobOf.get(String(value))).find((id) => id !== undefined);
    const isSpares = values.some((value) => /^spare-.+-\w{12}$/.test(String(value)));
    const jobId = named === undefined ? (isSpares ? 0 : known) : Number(named);
    if (call.answer && jobId !== undefined)
      for (const id of JSON.stringify(call.answer).match(/"(sg|i)-\w+"/g) ?? []) this.jobOf.set(id.slice(1, -1), jobId);
    this.waiting.forEach((waiter) => waiter(call, jobId));
  };

  /** Environment of the processes that can die at a step of their own. */
  environment(directory: string): Record<string, string> {
    this.directory = directory;
    mkdirSync(this.plans, { recursive: true });
    return { NODE_OPTIONS: `--require ${path.join(__dirname, 'die-at-step.js')}`, CRASH_PLANS: this.plans };
  }

  /**
   * Carries a crash out on the first process that it fits and that works for such a job (or for
   * all). Resolves with whom it hit; undefined: the signal said first that nobody will come any
   * more.
   */
  async strike(
    crash: Exclude<Crash, { kind: 'inside' }>,
    isMine: (jobId: number) => boolean,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (crash.kind === 'call') return this.atCall(crash, isMine, signal);
    const matches = ({ program, jobId }: Found) =>
      program === crash.program && (jobId === undefined ? program === 'destroyer' : isMine(jobId));
    const found = await firstOf(this.directory, matches, signal);
    if (!found) return undefined;
    await sleep(crash.afterMs);
    return killed(found) ? `${describe(found)} after ${crash.afterMs} ms` : undefined;
  }

  /**
   * Lays the plan for a crash inside a process, which takes it when it starts; `jobName`: only one
   * that works for this job; `lane` comes back with whom it hit.
   */
  plan(
    { program, step, family, after }: Extract<Crash, { kind: 'inside' }>,
    { jobName, lane }: { readonly jobName?: string | undefined; readonly lane?: string } = {},
  ): void {
    const name = jobName === undefined ? program : `${program}-${jobName}`;
    writeFileSync(path.join(this.plans, name), JSON.stringify({ name, step, family, after, lane }));
  }

  /** A process has taken this plan, and is alive or has ended. */
  isTaken(program: string, jobName: string): boolean {
    return existsSync(path.join(this.plans, `${program}-${jobName}.taken`));
  }

  /** Takes all plans back, and tells who died by them. */
  harvest(): Death[] {
    const log = path.join(this.plans, 'log');
    const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : [];
    rmSync(this.plans, { recursive: true });
    mkdirSync(this.plans);
    const planned = lines.map((line) => JSON.parse(line) as Death & { name: string; died?: string });
    return planned.flatMap(({ name, died, did, lane }) =>
      died === undefined ? [] : [{ text: `${name} died at step ${did.length + 1}: ${died}`, did, lane }],
    );
  }

  private get plans(): string {
    return path.join(this.directory, 'plans');
  }

  private atCall(
    { action, when, victims }: Extract<Crash, { kind: 'call' }>,
    isMine: (jobId: number) => boolean,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    return new Promise((resolve) => {
      const done = (hit?: string): void => {
        this.waiting.delete(waiter);
        resolve(hit);
      };
      const waiter = (call: Parameters<OnCall>[0], jobId: number | undefined): void => {
        if (call.action !== action || (call.answer !== undefined) !== (when === 'after')) return;
        if (jobId === undefined || !isMine(jobId)) return;
        const hit = processesOf(this.directory)
          .filter((found) => victims.includes(found.program) && (found.jobId ?? jobId) === jobId)
          .filter(killed);
        if (hit.length > 0) done(`${hit.map(describe).join(', ')} ${when} ${action}`);
      };
      this.waiting.add(waiter);
      signal.addEventListener('abort', () => done());
    });
  }
}

/** Kills all processes of a host at once. @returns which */
export function killAll(directory: string): Program[] {
  const found = processesOf(directory);
  return found.filter(killed).map(({ program }) => program);
}

function describe({ program, verb }: Found): string {
  return `${program} ${verb}`.trim();
}

/** False: it had ended by itself. */
function killed({ pid }: Found): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}
