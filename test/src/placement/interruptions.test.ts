import type { Pool } from '../../../src/jobs/types';
import { rank } from '../../../src/placement/rank';
import type { Candidate, Failure, Quote } from '../../../src/placement/types';
import { testProfile } from '../../support/profile';
import { Seeded } from '../../support/seeded';

/**
 * A day of 1,000 jobs in virtual time, placed by the real ranking with a memory like the real one,
 * on a market that takes a tenth of all spot instances back in every hour. GitLab runs an
 * interrupted job again twice (`retry: max: 2`); whoever is interrupted a third time needs a
 * person.
 */
const JOBS = 1_000;
const TRIES = 3;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const BOOT_MS = MINUTE_MS;

const zones = ['h', 'i', 'j'].map((letter) => ({ zoneId: letter, vSwitchId: `vsw-${letter}`, freeAddresses: 250 }));
const types = ['ecs.c7.xlarge', 'ecs.c8a.xlarge', 'ecs.g7.xlarge', 'ecs.u1-c1m2.xlarge'];

interface Given {
  /** Jobs that begin in an hour. */
  readonly jobsAnHour: number;
  /** When the instance goes, if nothing ends it before. */
  readonly takenMs: (fromMs: number, pool: Pool, random: Seeded) => number;
  readonly afterInterruption?: 'spot' | 'on-demand';
}

interface Job {
  readonly key: string;
  readonly lengthMs: number;
  tries: number;
}

/** An hour takes a tenth of what runs, at any time and anywhere. */
const anywhere: Given['takenMs'] = (fromMs, _pool, random) =>
  fromMs + (Math.log(1 - random.next()) / Math.log(0.9)) * HOUR_MS;

/**
 * In each hour one zone is emptied for 20 minutes: three tenths of what runs there go, and that is
 * a tenth of all.
 */
const byZone: Given['takenMs'] = (fromMs, pool, random) => {
  for (let hour = Math.floor(fromMs / HOUR_MS); hour < fromMs / HOUR_MS + 24; hour++) {
    const beginsMs = hour * HOUR_MS + 10 * MINUTE_MS;
    const endsMs = beginsMs + 20 * MINUTE_MS;
    if (zones[hour % zones.length]!.zoneId !== pool.zoneId || fromMs >= endsMs) continue;
    if (random.next() < 0.3) return Math.max(fromMs, beginsMs) + random.next() * (endsMs - Math.max(fromMs, beginsMs));
  }
  return Infinity;
};

function aDay({ jobsAnHour, takenMs, afterInterruption = 'spot' }: Given, seed: number) {
  const random = new Seeded(seed);
  let nowMs = 0;
  const failures = new Map<string, Failure>();
  const losses = new Map<string, Pool[]>();
  const profile = testProfile({
    spot: { maxPriceYuanPerHour: 1, protectedHour: 'never', fallback: 'on-demand', afterInterruption },
  });
  const quotes: Quote[] = types.flatMap((instanceType) =>
    zones.map(({ zoneId }) => ({
      zoneId,
      instanceType,
      spotYuanPerHour: 0.15 + 0.03 * random.next(),
      onDemandYuanPerHour: 0.8,
      interruptionRate: 10,
      spotStock: 'WithStock' as const,
      onDemandStock: 'WithStock' as const,
    })),
  );
  const cheapest = Math.min(...quotes.map(({ spotYuanPerHour }) => spotYuanPerHour!));
  const place = ({ key }: Job): Candidate => {
    const known = { failures: [...failures.values()], losses: losses.get(key) ?? [] };
    return rank({ profile, types, zones, quotes, ...known, timeoutMs: 2 * HOUR_MS, nowMs }).candidates[0]!;
  };
  const remember = ({ key }: Job, { instanceType, zoneId, vSwitchId, market }: Pool): void => {
    const pool: Pool = { instanceType, zoneId, vSwitchId, market };
    losses.set(key, [...(losses.get(key) ?? []), pool]);
    const name = `${instanceType}@${zoneId}`;
    failures.set(name, { pool, code: 'Interrupted', atMs: nowMs, previousMs: failures.get(name)?.atMs });
  };
  const events: { readonly atMs: number; readonly happen: () => void }[] = [];
  const at = (atMs: number, happen: () => void): void => {
    const index = events.findIndex((event) => event.atMs > atMs);
    events.splice(index < 0 ? events.length : index, 0, { atMs, happen });
  };
  const result = { well: 0, interruptions: 0, onDemand: 0, yuan: 0, undisturbedYuan: 0 };
  const begin = (job: Job): void => {
    job.tries++;
    const pool = place(job);
    const endMs = nowMs + BOOT_MS + job.lengthMs;
    const goneMs = pool.market === 'spot' ? takenMs(nowMs, pool, random) : Infinity;
    result.yuan += (pool.priceYuanPerHour! * (Math.min(endMs, goneMs) - nowMs)) / HOUR_MS;
    if (pool.market === 'on-demand') result.onDemand++;
    at(Math.min(endMs, goneMs), () => {
      if (goneMs >= endMs) return void result.well++;
      result.interruptions++;
      remember(job, pool);
      if (job.tries < TRIES) begin(job);
    });
  };
  for (let count = 0; count < JOBS; count++) {
    // 6 to 60 minutes, half an hour in the middle.
    const lengthMs = Math.min(60, Math.max(6, 30 * Math.exp(random.next() + random.next() - 1))) * MINUTE_MS;
    const job: Job = { key: `job ${count}`, lengthMs, tries: 0 };
    result.undisturbedYuan += (cheapest * (BOOT_MS + lengthMs)) / HOUR_MS;
    at((random.next() * JOBS * HOUR_MS) / jobsAnHour, () => begin(job));
  }
  for (let event = events.shift(); event; event = events.shift()) {
    nowMs = event.atMs;
    event.happen();
  }
  return result;
}

describe('with a tenth of all instances taken back in each hour, of 1,000 jobs', () => {
  test.each<[string, Given]>([
    ['anywhere, 500 jobs an hour', { jobsAnHour: 500, takenMs: anywhere }],
    ['a zone at a time, 100 jobs an hour', { jobsAnHour: 100, takenMs: byZone }],
  ])('999 end well without a person, at no more than 1.15 times the cost: %s', (_how, given) => {
    const { well, interruptions, yuan, undisturbedYuan } = aDay(given, 1);
    expect(interruptions).toBeGreaterThan(40);
    expect(well).toBeGreaterThanOrEqual(999);
    expect(yuan / undisturbedYuan).toBeLessThanOrEqual(1.15);
  });

  test('none is interrupted twice where the first retry takes pay-as-you-go', () => {
    const { well, interruptions, onDemand } = aDay(
      { jobsAnHour: 500, takenMs: anywhere, afterInterruption: 'on-demand' },
      1,
    );
    expect({ well, onDemand }).toEqual({ well: JOBS, onDemand: interruptions });
  });
});
