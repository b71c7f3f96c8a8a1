import {
  inside,
  calls,
  CALLS_OF_DESTROY,
  CALLS_OF_UP,
  ENGINE,
  deck,
  moments,
  seeded,
  titleOf,
  type Crash,
} from './crashes';

/**
 * What befalls a spare machine: the deaths of all that work on it, and what the cloud and the clock
 * do to one that waits.
 */
export type Blow = Crash | { readonly kind: 'cloud'; readonly what: 'interrupted' | 'released' | 'expired' };

/**
 * Whose death, in the order of a spare's life: who makes it, keeps it, is about to take it (also in
 * line for a slot), has taken it, works on it, destroys it, looks after what the dead have left.
 */
export type SpareLane =
  'maker' | 'waiting' | 'refiller' | 'claimant' | 'queued' | 'taker' | 'job' | 'destroyer' | 'reap';

export interface Dealt {
  readonly lane: SpareLane;
  readonly blow: Blow;
}

/** The spare is the job's from this step of the claimant on. */
const TAKEN = 'linkSync taken.';

/** Of what a claimant did before it died. */
export const hasTakenIn = (did: readonly string[]): boolean => did.some((label) => label.startsWith(TAKEN));

/** The part of a spare's life in which it hit. */
export function lifeStep(lane: SpareLane, taken: boolean): string {
  const steps: Record<SpareLane, string> = {
    maker: 'made',
    waiting: 'waiting',
    refiller: 'kept',
    claimant: 'claimed by one of several',
    queued: 'claimed in line for a slot',
    taker: 'handed over',
    job: 'at work',
    destroyer: 'destroyed',
    reap: 'reaped',
  };
  const isClaim = lane === 'claimant' || lane === 'queued';
  return isClaim && taken ? steps.taker : steps[lane];
}

/** How many steps each has, all of which it has whenever it does its work. */
const STEPS = { keeper: 70, claimant: 20, queued: 20, taker: 20, run: 6, cleanup: 7, destroyer: 60, reap: 60 } as const;

/** In every other round jobs stand in line for a slot, and nobody can make a machine meanwhile. */
export const hasLine = (round: number): boolean => round % 2 === 0;

/** What a round deals out. */
function lanesOf(round: number): readonly SpareLane[] {
  return hasLine(round)
    ? ['maker', 'waiting', 'queued', 'queued', 'queued', 'destroyer', 'reap', 'maker', 'job']
    : ['maker', 'waiting', 'claimant', 'taker', 'claimant', 'refiller', 'destroyer', 'reap', 'maker', 'job'];
}

/** A blow that the cloud or the clock gives kills nobody. */
const isKill = (lane: SpareLane): boolean => lane !== 'waiting';

export const titleOfBlow = ({ lane, blow }: Dealt): string =>
  `${lane}: ${blow.kind === 'cloud' ? blow.what : titleOf(blow)}`;

/**
 * So many kills, and what the cloud does beside them, dealt out in rounds. What misses (its victim
 * was gone already, or had fewer steps) is dealt again, as the next blow of its lane.
 */
export class SparePlan {
  readonly rounds: readonly { readonly number: number; readonly blows: readonly Dealt[] }[];
  private readonly decks: Record<SpareLane, () => Blow>;
  private readonly wanted = new Map<SpareLane, number>();
  private readonly hits = new Map<SpareLane, number>();
  /** Hits by the step of a spare's life. */
  readonly steps = new Map<string, number>();

  constructor(kills: number, seed: number) {
    const random = seeded(seed);
    const all = Object.entries(spareCatalogue(random));
    this.decks = Object.fromEntries(all.map(([lane, blows]) => [lane, deck(blows, random)])) as typeof this.decks;
    const rounds: { number: number; blows: Dealt[] }[] = [];
    for (let left = kills; left > 0;) {
      const number = rounds.length + 1;
      const lanes = lanesOf(number).filter((lane) => !isKill(lane) || left-- > 0);
      lanes.forEach((lane) => add(this.wanted, lane));
      rounds.push({ number, blows: lanes.map((lane) => this.deal(lane)) });
    }
    this.rounds = rounds;
  }

  /** For a round beyond those: of each lane what is missing. */
  again(round: number): Dealt[] {
    const missing = this.missing();
    return lanesOf(round).flatMap((lane) => {
      const left = missing.get(lane) ?? 0;
      missing.set(lane, left - 1);
      return left > 0 ? [this.deal(lane)] : [];
    });
  }

  /** @param step of a spare's life, by name */
  hit(lane: SpareLane, step: string): void {
    add(this.hits, lane);
    add(this.steps, step);
  }

  /** How many of each lane have not hit yet. */
  missing(): Map<SpareLane, number> {
    const left = [...this.wanted].map(([lane, count]) => [lane, count - (this.hits.get(lane) ?? 0)] as const);
    return new Map(left.filter(([, count]) => count > 0));
  }

  /** Kills that hit. */
  get kills(): number {
    return [...this.hits].reduce((sum, [lane, count]) => sum + (isKill(lane) ? count : 0), 0);
  }

  private deal(lane: SpareLane): Dealt {
    return { lane, blow: this.decks[lane]() };
  }
}

export function counted(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, count]) => `${count} ${name}`).join(', ');
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function spareCatalogue(random: () => number): Record<SpareLane, Blow[]> {
  const keeper = [
    ...inside('keeper', STEPS.keeper),
    ...calls(CALLS_OF_UP, [['keeper'], ['keeper', ...ENGINE]]),
    ...moments('keeper', 20, 4_000, random),
  ];
  return {
    maker: keeper,
    waiting: (['interrupted', 'released', 'expired'] as const).map((what) => ({ kind: 'cloud', what })),
    refiller: keeper,
    claimant: [...inside('prepare', STEPS.claimant), ...moments('prepare', 10, 500, random)],
    queued: [...inside('queued', STEPS.queued), ...inside('queued', STEPS.taker, TAKEN)],
    taker: inside('prepare', STEPS.taker, TAKEN),
    job: [...inside('run', STEPS.run), ...inside('cleanup', STEPS.cleanup)],
    destroyer: [
      ...inside('destroyer', STEPS.destroyer),
      ...calls(CALLS_OF_DESTROY, [['destroyer'], ['destroyer', ...ENGINE]]),
      ...moments('destroyer', 20, 4_000, random),
    ],
    reap: inside('reap', STEPS.reap),
  };
}
