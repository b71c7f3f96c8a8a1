import fc from '../../support/property';
import type { Pool } from '../../../src/jobs/types';
import { protectedHours, rank, samePool, type RankInput } from '../../../src/placement/rank';
import { refusalOf } from '../../../src/placement/refusals';
import type { Candidate, Failure, Quote, StockLevel } from '../../../src/placement/types';
import { testProfile } from '../../support/profile';

const profile = testProfile();

function quote(instanceType: string, zoneId: string, spot: number | undefined, more: Partial<Quote> = {}): Quote {
  return {
    zoneId,
    instanceType,
    spotYuanPerHour: spot,
    onDemandYuanPerHour: 0.8,
    interruptionRate: 0,
    spotStock: 'WithStock',
    onDemandStock: 'WithStock',
    ...more,
  };
}

const zones = ['h', 'i'].map((letter) => ({
  zoneId: `cn-hangzhou-${letter}`,
  vSwitchId: `vsw-${letter}`,
  freeAddresses: 100,
}));

function input(change: Partial<RankInput> = {}): RankInput {
  return {
    profile,
    types: ['ecs.c7.xlarge', 'ecs.c8a.xlarge'],
    zones,
    quotes: [
      quote('ecs.c7.xlarge', 'cn-hangzhou-h', 0.155),
      quote('ecs.c7.xlarge', 'cn-hangzhou-i', 0.16),
      quote('ecs.c8a.xlarge', 'cn-hangzhou-h', 0.148),
      quote('ecs.c8a.xlarge', 'cn-hangzhou-i', 0.5),
    ],
    failures: [],
    losses: [],
    timeoutMs: 3_600_000,
    nowMs: 1_000_000_000,
    ...change,
  };
}

const names = (ranking: ReturnType<typeof rank>) =>
  ranking.candidates.map((c) => `${c.instanceType.slice(4, 7).replace('.', '')} ${c.zoneId.at(-1)} ${c.market}`);

const spot = (type: string, letter: string): Pool => ({
  instanceType: type,
  zoneId: `cn-hangzhou-${letter}`,
  vSwitchId: `vsw-${letter}`,
  market: 'spot',
});

describe('the ranking of pools', () => {
  test('puts the cheapest spot pool first and leaves out what is above the cap', () => {
    expect(names(rank(input()))).toEqual(['c8a h spot', 'c7 h spot', 'c7 i spot']);
    expect(
      rank(input())
        .rejected.filter((r) => r.market === 'spot')
        .map((r) => r.reason),
    ).toEqual(["above the profile's 0.4 yuan/h"]);
  });

  test('ranks by the sum of instance and disk: an interruption pays for both twice', () => {
    const quotes = [
      quote('ecs.c7.xlarge', 'cn-hangzhou-h', 0.1),
      quote('ecs.c8a.xlarge', 'cn-hangzhou-h', 0.092, { interruptionRate: 8 }),
    ];
    const unprotected = testProfile({ spot: { ...profile.spot, protectedHour: 'never' } });
    const ranked = (diskYuanPerHour?: number) =>
      rank(input({ profile: unprotected, quotes, diskYuanPerHour })).candidates[0]?.instanceType;
    expect(ranked()).toBe('ecs.c8a.xlarge');
    expect(ranked(0.084)).toBe('ecs.c7.xlarge');
  });

  test('counts what an interruption costs: the part of the work that is paid twice', () => {
    const quotes = [
      quote('ecs.c7.xlarge', 'cn-hangzhou-h', 0.155),
      quote('ecs.c8a.xlarge', 'cn-hangzhou-h', 0.15, { interruptionRate: 10 }),
    ];
    expect(names(rank(input({ quotes, zones: zones.slice(0, 1) })))).toEqual(['c7 h spot', 'c8a h spot']);
  });

  test('sets the interruption rate aside where the whole job lies in the protected hour', () => {
    const quotes = [
      quote('ecs.c7.xlarge', 'cn-hangzhou-h', 0.155),
      quote('ecs.c8a.xlarge', 'cn-hangzhou-h', 0.15, { interruptionRate: 10 }),
    ];
    const always = { ...profile, spot: { ...profile.spot, protectedHour: 'always' as const } };
    expect(names(rank(input({ profile: always, quotes, zones: zones.slice(0, 1) })))).toEqual([
      'c8a h spot',
      'c7 h spot',
    ]);
  });

  test('goes to pay-as-you-go last, where the profile allows it and its price is below the cap', () => {
    const allows = { ...profile, spot: { ...profile.spot, fallback: 'on-demand' as const, maxPriceYuanPerHour: 0.9 } };
    const quotes = [
      quote('ecs.c7.xlarge', 'cn-hangzhou-h', 0.155),
      quote('ecs.c8a.xlarge', 'cn-hangzhou-h', 0.15, { onDemandYuanPerHour: 0.95 }),
    ];
    expect(names(rank(input({ profile: allows, quotes, zones: zones.slice(0, 1) })))).toEqual([
      'c8a h spot',
      'c7 h spot',
      'c7 h on-demand',
    ]);
  });

  test.each([
    ['at the full price', 0.8],
    ['that the protected hour makes dearer than that', 0.889],
  ])('prefers pay-as-you-go to a spot pool %s', (_title, spotPrice) => {
    const allows = { ...profile, spot: { ...profile.spot, fallback: 'on-demand' as const, maxPriceYuanPerHour: 0.9 } };
    const quotes = [quote('ecs.c7.xlarge', 'cn-hangzhou-h', spotPrice)];
    const ranking = rank(input({ profile: allows, types: ['ecs.c7.xlarge'], quotes, zones: zones.slice(0, 1) }));
    expect(names(ranking)).toEqual(['c7 h on-demand', 'c7 h spot']);
    expect(ranking.candidates[1]!.reason).toBe('spot, but no cheaper than pay-as-you-go');
  });

  test('goes to pay-as-you-go first after the second loss of the same job', () => {
    const allows = { ...profile, spot: { ...profile.spot, fallback: 'on-demand' as const, maxPriceYuanPerHour: 0.9 } };
    const losses = [spot('ecs.c8a.xlarge', 'h'), spot('ecs.c7.xlarge', 'h')];
    expect(names(rank(input({ profile: allows, losses })))[0]).toMatch(/on-demand$/);
    expect(names(rank(input({ profile: allows, losses: losses.slice(0, 1) })))[0]).toBe('c7 h spot');
  });

  test.each([
    ['no stock holds one pool', 'OperationDenied.NoStock', ['c7 h spot', 'c7 i spot', 'c8a h spot']],
    ['no free address holds its zone', 'InvalidVSwitchId.IpNotEnough', ['c7 i spot', 'c8a h spot', 'c7 h spot']],
  ])('after a recent failure, %s, and puts it last', (_title, code, expected) => {
    const failures = [{ pool: spot('ecs.c8a.xlarge', 'h'), code, atMs: 1_000_000_000 - 60_000 }];
    expect(names(rank(input({ failures })))).toEqual(expected);
  });

  test('forgets a failure when its time is over', () => {
    const code = 'OperationDenied.NoStock';
    const failures = [{ pool: spot('ecs.c8a.xlarge', 'h'), code, atMs: 1_000_000_000 - refusalOf(code).holdMs }];
    expect(names(rank(input({ failures })))[0]).toBe('c8a h spot');
  });

  test.each([
    ['two interruptions within a quarter of an hour close it', 10, 5, ['c7 i spot', 'c8a h spot', 'c7 h spot']],
    ['two that lie further apart do not', 29, 5, ['c7 h spot', 'c7 i spot', 'c8a h spot']],
    ['it is open again after half an hour', 40, 31, ['c7 h spot', 'c7 i spot', 'c8a h spot']],
  ])('of a zone: %s', (_title, firstMinutesAgo, lastMinutesAgo, expected) => {
    const ago = (minutes: number): number => 1_000_000_000 - minutes * 60_000;
    const failures = [
      { pool: spot('ecs.g7.xlarge', 'h'), code: 'Interrupted', atMs: ago(firstMinutesAgo) },
      { pool: spot('ecs.c8a.xlarge', 'h'), code: 'Interrupted', atMs: ago(lastMinutesAgo) },
    ];
    expect(names(rank(input({ failures })))).toEqual(expected);
  });

  test('of a zone: two of one pool within a quarter of an hour close it as well', () => {
    const pool = spot('ecs.g7.xlarge', 'h');
    const twice = { pool, code: 'Interrupted', atMs: 1_000_000_000 - 60_000, previousMs: 1_000_000_000 - 600_000 };
    expect(names(rank(input({ failures: [twice] })))).toEqual(['c7 i spot', 'c8a h spot', 'c7 h spot']);
    expect(names(rank(input({ failures: [{ ...twice, previousMs: undefined }] })))[0]).toBe('c8a h spot');
  });

  test('of all zones: spot is taken all the same, since pay-as-you-go costs several times what an interruption does', () => {
    const allows = { ...profile, spot: { ...profile.spot, fallback: 'on-demand' as const, maxPriceYuanPerHour: 0.9 } };
    const failures = ['h', 'i'].flatMap((letter) =>
      ['ecs.c7.xlarge', 'ecs.c8a.xlarge'].map((type) => ({
        pool: spot(type, letter),
        code: 'Interrupted',
        atMs: 999_000_000,
      })),
    );
    expect(names(rank(input({ profile: allows, failures })))[0]).toBe('c8a h spot');
    const refused = failures.map((one) => ({ ...one, code: 'OperationDenied.NoStock', atMs: 999_900_000 }));
    expect(names(rank(input({ profile: allows, failures: refused })))[0]).toMatch(/on-demand$/);
  });

  test('goes to pay-as-you-go first after the first loss, where the profile says so', () => {
    const spotPolicy = { fallback: 'on-demand', maxPriceYuanPerHour: 0.9, afterInterruption: 'on-demand' } as const;
    const says = { ...profile, spot: { ...profile.spot, ...spotPolicy } };
    const losses = [spot('ecs.c8a.xlarge', 'h')];
    expect(names(rank(input({ profile: says, losses })))[0]).toMatch(/on-demand$/);
    expect(names(rank(input({ profile: says })))[0]).toMatch(/spot$/);
  });

  test("keeps the profile's own order where no price is known", () => {
    expect(names(rank(input({ quotes: [] })))).toEqual(['c7 h spot', 'c7 i spot', 'c8a h spot', 'c8a i spot']);
  });

  test('never takes pay-as-you-go at an unknown price: the cap could not be kept', () => {
    const allows = { ...profile, spot: { ...profile.spot, fallback: 'on-demand' as const } };
    expect(rank(input({ profile: allows, quotes: [] })).candidates.every((c) => c.market === 'spot')).toBe(true);
  });
});

describe('the protected hour', () => {
  test.each([
    ['auto', 30, 1],
    ['auto', 60, 1],
    ['auto', 61, 0],
    ['always', 600, 1],
    ['never', 5, 0],
  ] as const)('%s, with a timeout of %d minutes: SpotDuration %d', (protectedHour, minutes, hours) => {
    expect(protectedHours({ ...profile, spot: { ...profile.spot, protectedHour } }, minutes * 60_000)).toBe(hours);
  });
});

const someType = fc.constantFrom('ecs.a.large', 'ecs.b.large', 'ecs.c.large');
const someZone = fc.constantFrom('z1', 'z2', 'z3');
const someStock = fc.constantFrom<StockLevel>('WithStock', 'ClosedWithStock', 'WithoutStock', 'unknown');
const somePrice = fc.option(
  fc.integer({ min: 1, max: 2000 }).map((n) => n / 1000),
  { nil: undefined },
);
const somePool: fc.Arbitrary<Pool> = fc.record({
  instanceType: someType,
  zoneId: someZone,
  vSwitchId: fc.constant('vsw'),
  market: fc.constantFrom('spot' as const, 'on-demand' as const),
});
const someInput: fc.Arbitrary<RankInput> = fc.record({
  profile: fc.record({
    name: fc.constant('p'),
    instances: fc.constant({ types: [] }),
    image: fc.constant('i'),
    disk: fc.constant({ category: 'cloud_essd', sizeGiB: 40 }),
    spot: fc.record({
      maxPriceYuanPerHour: fc.integer({ min: 1, max: 2000 }).map((n) => n / 1000),
      protectedHour: fc.constantFrom('auto' as const, 'always' as const, 'never' as const),
      fallback: fc.constantFrom('on-demand' as const, 'none' as const),
      afterInterruption: fc.constantFrom('on-demand' as const, 'spot' as const),
    }),
    internetBandwidthMbps: fc.constant(0),
    zones: fc.uniqueArray(someZone),
    allow: fc.constant({ projects: [], protectedRefs: false, forks: false }),
    debugKeepMaxMs: fc.constant(0),
  }),
  types: fc.uniqueArray(someType, { minLength: 1 }),
  zones: fc
    .uniqueArray(someZone, { minLength: 1 })
    .map((ids) =>
      ids.map((zoneId) => ({ zoneId, vSwitchId: `vsw-${zoneId}`, freeAddresses: zoneId === 'z3' ? 0 : 5 })),
    ),
  quotes: fc.uniqueArray(
    fc.record({
      zoneId: someZone,
      instanceType: someType,
      spotYuanPerHour: somePrice,
      onDemandYuanPerHour: somePrice,
      interruptionRate: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
      spotStock: someStock,
      onDemandStock: someStock,
    }),
    { selector: (q) => `${q.zoneId} ${q.instanceType}` },
  ),
  failures: fc.array(
    fc.record({
      pool: somePool,
      code: fc.constantFrom('OperationDenied.NoStock', 'InvalidVSwitchId.IpNotEnough', 'Interrupted'),
      atMs: fc.integer({ min: 0, max: 10_000_000 }),
    }),
    { maxLength: 6 },
  ),
  losses: fc.array(somePool, { maxLength: 3 }),
  timeoutMs: fc.integer({ min: 60_000, max: 10_800_000 }),
  nowMs: fc.integer({ min: 0, max: 10_000_000 }),
});

describe('whatever the market', () => {
  test('a candidate is never above the cap, never in a forbidden pool, and each pool stands once', () => {
    fc.assert(
      fc.property(someInput, (given) => {
        const { candidates, rejected } = rank(given);
        const { spot: policy, zones: allowed } = given.profile;
        for (const candidate of candidates) {
          if (candidate.priceYuanPerHour !== undefined)
            expect(candidate.priceYuanPerHour).toBeLessThanOrEqual(policy.maxPriceYuanPerHour);
          if (candidate.market === 'on-demand') {
            expect(policy.fallback).toBe('on-demand');
            expect(candidate.priceYuanPerHour).toBeDefined();
          }
          if (allowed.length > 0) expect(allowed).toContain(candidate.zoneId);
          expect(candidate.stock).not.toBe('WithoutStock');
          expect(candidate.zoneId).not.toBe('z3');
        }
        const all = [...candidates, ...rejected].map((pool) => `${pool.instanceType} ${pool.zoneId} ${pool.market}`);
        expect(new Set(all).size).toBe(all.length);
        expect(all).toHaveLength(given.types.length * given.zones.length * 2);
      }),
      { numRuns: 500 },
    );
  });

  test('a pool that refused within its time never stands before one that did not', () => {
    fc.assert(
      fc.property(someInput, (given) => {
        const refused = rank(given).candidates.map((candidate) =>
          given.failures.some((failure) => failure.code !== 'Interrupted' && speaksAgainst(failure, candidate, given)),
        );
        expect([...refused].sort((a, b) => Number(a) - Number(b))).toEqual(refused);
      }),
      { numRuns: 500 },
    );
  });

  test('a pool where instances are taken back never stands before another one of its market that this job has not lost', () => {
    fc.assert(
      fc.property(someInput, (given) => {
        const taken = given.failures.filter(({ code }) => code === 'Interrupted');
        const { candidates } = rank({ ...given, failures: taken });
        for (const market of ['spot', 'on-demand']) {
          const closed = candidates
            .filter((one) => one.market === market && !given.losses.some((loss) => samePool(loss, one)))
            .filter((one) => !savesNothing(one))
            .map(
              (one) =>
                taken.some((failure) => speaksAgainst(failure, one, given)) ||
                (market === 'spot' && isEmptied(one.zoneId, taken, given.nowMs)),
            );
          expect([...closed].sort((a, b) => Number(a) - Number(b))).toEqual(closed);
        }
      }),
      { numRuns: 500 },
    );
  });
});

function speaksAgainst({ code, pool, atMs }: Failure, candidate: Pool, { nowMs }: RankInput): boolean {
  const { scope, holdMs } = refusalOf(code);
  return atMs + holdMs > nowMs && (scope === 'zone' ? pool.zoneId === candidate.zoneId : samePool(pool, candidate));
}

function isEmptied(zoneId: string, taken: readonly Failure[], nowMs: number): boolean {
  const inZone = taken.filter(({ pool }) => pool.zoneId === zoneId);
  return inZone.some((last) =>
    inZone.some(
      (first) =>
        first !== last &&
        last.atMs >= first.atMs &&
        last.atMs - first.atMs <= 15 * 60_000 &&
        last.atMs + 30 * 60_000 > nowMs,
    ),
  );
}

function savesNothing({ market, priceYuanPerHour = 0, onDemandYuanPerHour = Infinity }: Candidate): boolean {
  return market === 'spot' && priceYuanPerHour >= onDemandYuanPerHour;
}
