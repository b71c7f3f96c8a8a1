import { inside, calls, CALLS_OF_DESTROY, CALLS_OF_UP, ENGINE, moments, type Crash } from './crashes';

/**
 * What befalls a spare machine: the deaths of all that work on it, and what the cloud and the clock
 * do to one that waits.
 */
export type Blow = Crash | { readonly kind: 'cloud'; readonly what: 'interrupted' | 'released' | 'expired' };

/** Whose death, in the order of a spare's life. */
export type SpareLane = 'maker' | 'waiting' | 'refiller' | 'claimant' | 'job' | 'destroyer' | 'reap';

/** How many steps each has; a few more for what varies. */
const STEPS = { keeper: 70, prepare: 45, queued: 40, run: 6, cleanup: 7, destroyer: 60, reap: 60 } as const;

export function spareCatalogue(random: () => number): Record<SpareLane, Blow[]> {
  const keeper = [
    ...inside('keeper', STEPS.keeper),
    ...calls(CALLS_OF_UP, [['keeper'], ['keeper', ...ENGINE]]),
    ...moments('keeper', 20, 4_000, random),
  ];
  return {
    maker: keeper,
    waiting: (['interrupted', 'released', 'expired'] as const).map((what) => ({ kind: 'cloud', what })),
    refiller: keeper,
    claimant: [
      ...inside('prepare', STEPS.prepare),
      ...inside('queued', STEPS.queued),
      ...moments('prepare', 10, 1_500, random),
    ],
    job: [...inside('run', STEPS.run), ...inside('cleanup', STEPS.cleanup)],
    destroyer: [
      ...inside('destroyer', STEPS.destroyer),
      ...calls(CALLS_OF_DESTROY, [['destroyer'], ['destroyer', ...ENGINE]]),
      ...moments('destroyer', 20, 4_000, random),
    ],
    reap: inside('reap', STEPS.reap),
  };
}
