import type { Program } from './victims';

/**
 * Every way to die that the crash test knows: SIGKILL inside a process of the product, right before
 * its nth step (die-at-step.js); SIGKILL for some of the processes that work for a job, right
 * before or after the cloud carries out a call; and SIGKILL at a random moment.
 */
export type Crash =
  | {
      readonly kind: 'inside';
      readonly program: 'queued' | 'prepare' | 'up' | 'run' | 'cleanup' | 'destroyer' | 'keeper' | 'reap';
      readonly step: number;
      /** With all that it has started. */
      readonly family: boolean;
      /** Steps count from then on: what the step before them begins with (die-at-step.js). */
      readonly after?: string;
    }
  | {
      readonly kind: 'call';
      readonly action: string;
      readonly when: 'before' | 'after';
      readonly victims: readonly Program[];
    }
  | {
      readonly kind: 'moment';
      readonly program: Program;
      /** From when the process is first seen. */
      readonly afterMs: number;
    };

/**
 * Whose death a round waits for: one of a victim's own processes, the destroyer's or its CLI's, a
 * first reap's.
 */
export type Lane = 'job' | 'destroyer' | 'reap';

/** How many steps each program has for a job that goes well; a few more for what varies. */
const STEPS = { prepare: 72, up: 30, run: 6, cleanup: 7, destroyer: 52, reap: 48 } as const;
export const CALLS_OF_UP = [
  'CreateSecurityGroup',
  'ImportKeyPair',
  'ModifySecurityGroupPolicy',
  'AuthorizeSecurityGroup',
  'RunInstances',
  'ModifyInstanceMetadataOptions',
  'DescribeDisks',
];
export const CALLS_OF_DESTROY = ['DeleteInstance', 'RevokeSecurityGroup', 'DeleteKeyPairs', 'DeleteSecurityGroup'];
export const ENGINE: readonly Program[] = ['pulumi', 'provider'];

type Inside = Extract<Crash, { kind: 'inside' }>;

export function catalogue(random: () => number): Record<Lane, Crash[]> {
  return {
    job: [
      ...inside('prepare', STEPS.prepare),
      ...inside('up', STEPS.up),
      ...inside('run', STEPS.run),
      ...inside('cleanup', STEPS.cleanup),
      ...calls(CALLS_OF_UP, [['prepare'], ['up'], ['prepare', 'up'], ['prepare', 'up', ...ENGINE]]),
      ...moments('prepare', 10, 6_000, random),
      ...moments('up', 10, 6_000, random),
      ...moments('pulumi', 10, 3_000, random),
      ...moments('provider', 10, 3_000, random),
      ...moments('run', 10, 2_000, random),
    ],
    destroyer: [
      ...inside('destroyer', STEPS.destroyer),
      ...calls(CALLS_OF_DESTROY, [['destroyer'], ['destroyer', ...ENGINE]]),
      ...moments('destroyer', 20, 4_000, random),
    ],
    reap: inside('reap', STEPS.reap),
  };
}

/** Right before each of its steps, alone and with all that it has started. */
export function inside(program: Inside['program'], steps: number, after?: string): Crash[] {
  const from = after === undefined ? {} : { after };
  return [false, true].flatMap((family) =>
    Array.from({ length: steps }, (_, index): Crash => ({ kind: 'inside', program, step: index + 1, family, ...from })),
  );
}

/** Right before and after each of these calls: the CLI, its provider, both, or those others. */
export function calls(actions: readonly string[], others: readonly (readonly Program[])[]): Crash[] {
  return actions.flatMap((action) =>
    (['before', 'after'] as const).flatMap((when) =>
      [['provider'] as const, ['pulumi'] as const, ENGINE, ...others].map((victims): Crash => ({
        kind: 'call',
        action,
        when,
        victims,
      })),
    ),
  );
}

export function moments(program: Program, count: number, mostMs: number, random: () => number): Crash[] {
  return Array.from({ length: count }, () => ({ kind: 'moment', program, afterMs: Math.floor(random() * mostMs) }));
}

export function titleOf(crash: Crash): string {
  switch (crash.kind) {
    case 'inside':
      return `${crash.program} at its step ${crash.step}${crash.after ? ` after ${crash.after}` : ''}${crash.family ? ' with all it started' : ''}`;
    case 'call':
      return `${crash.victims.join(', ')} ${crash.when} ${crash.action}`;
    case 'moment':
      return `${crash.program} after ${crash.afterMs} ms`;
  }
}

/** A small generator (mulberry32), so that a seed plays the same crashes again. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const order = items.map((item) => ({ item, at: random() }));
  return order.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

/** Deals one after the other, from the start again after the last. */
export function deck<T>(items: readonly T[], random: () => number): () => T {
  const order = shuffled(items, random);
  let dealt = 0;
  return () => order[dealt++ % order.length]!;
}
