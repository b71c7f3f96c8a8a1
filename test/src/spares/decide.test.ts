import { parseHours, isWithin } from '../../../src/settings/hours';
import type { Profile } from '../../../src/settings/types';
import { beyond, isLost, unfit, waitOf, whyGo } from '../../../src/spares/decide';
import { shapeOf } from '../../../src/spares/shape';
import { cloudInstance, START } from '../../support/fakes';
import { instanceFacts } from '../../support/job-record';
import { HALF_HOUR, shapeSettings, spareProfile, spareRecord } from '../../support/spare';

const MINUTE = 60_000;
const protectedProfile = (protectedHour: 'auto' | 'always' | 'never'): Profile =>
  spareProfile({ spot: { ...spareProfile().spot, protectedHour } });
const wanted = (profile: Profile, change: object = {}) => ({
  profile,
  shape: shapeOf(profile, shapeSettings),
  imageId: 'm-1',
  timeoutMs: 60 * MINUTE,
  nowMs: START,
  ...change,
});

describe('a spare machine', () => {
  const auto = protectedProfile('auto');
  const spot = (durationHours: 0 | 1) => spareRecord({ profile: auto }, { durationHours });
  test.each<[string, ReturnType<typeof spareRecord>, object, string | undefined]>([
    ['fits a job of its profile', spot(1), {}, undefined],
    ['of another profile does not', spot(1), { profile: { ...auto, name: 'gpu' } }, 'it is of profile standard'],
    ['of an older image does not', spot(1), { imageId: 'm-2' }, 'there is a newer image base'],
    ['fits where the image can’t be asked', spot(1), { imageId: undefined }, undefined],
    ['without a protected hour is none for a short job', spot(0), {}, 'too little of its protected hour is left'],
    ['without one is one for a job that outlasts it', spot(0), { timeoutMs: 120 * MINUTE }, undefined],
    ['with 20 minutes of it left fits', spot(1), { nowMs: START + 40 * MINUTE }, undefined],
    ['with less does not', spot(1), { nowMs: START + 41 * MINUTE }, 'too little of its protected hour is left'],
    [
      'that is paid as you go is never taken back',
      spareRecord({ profile: auto }, { durationHours: 0, pool: { ...instanceFacts.pool, market: 'on-demand' } }),
      { nowMs: START + 90 * MINUTE },
      undefined,
    ],
  ])('%s', (_title, spare, change, reason) => {
    expect(unfit(spare, wanted(auto, change))).toBe(reason);
  });

  const page = spareProfile();
  test.each<[string, Partial<Profile>]>([
    ['image', { image: 'other' }],
    ['disk', { disk: { category: 'cloud_essd', sizeGiB: 60 } }],
    ['types', { instances: { types: ['ecs.c7.xlarge'] } }],
    ['zones', { zones: ['cn-x'] }],
    ['price cap', { spot: { ...page.spot, maxPriceYuanPerHour: 0.3 } }],
    ['protected hour', { spot: { ...page.spot, protectedHour: 'always' } }],
    ['metadata', { metadata: 'hardened' }],
    ['bandwidth', { internetBandwidthMbps: 5 }],
  ])('does not fit once the page has another %s', (_title, change) => {
    expect(unfit(spareRecord(), wanted(spareProfile(change)))).toBe('page or settings have changed since it was made');
  });

  test('is none of the page’s business where only rights and numbers change', () => {
    const change = { allow: { projects: ['a/b'], protectedRefs: true, forks: false }, debugKeepMaxMs: 1 };
    expect(unfit(spareRecord(), wanted(spareProfile(change)))).toBeUndefined();
  });

  test('waits half an hour at most where a protected hour counts, else as long as the page says', () => {
    const long = { keep: 1, when: [], idleMs: 4 * 3_600_000 };
    expect(waitOf({ ...protectedProfile('auto'), spares: long })).toBe(HALF_HOUR);
    expect(waitOf({ ...protectedProfile('never'), spares: long })).toBe(4 * 3_600_000);
  });

  test.each<[string, object, string | undefined]>([
    ['stays', {}, undefined],
    ['goes when nobody came', { nowMs: START + HALF_HOUR }, 'nobody came'],
    ['goes with its profile', { profile: undefined }, 'the page wants no spares of its profile'],
    [
      'goes when its hours are over',
      { profile: spareProfile({ spares: { keep: 1, when: [], idleMs: 1 } }) },
      'its hours are over',
    ],
    ['goes when the page has changed', { shape: 'other' }, 'page or settings have changed since it was made'],
  ])('%s', (_title, change, reason) => {
    expect(whyGo(spareRecord(), { ...wanted(spareProfile()), ...change })).toBe(reason);
  });

  test.each<[string, Parameters<typeof isLost>[1], boolean]>([
    ['gone', [], true],
    ['being taken back', [cloudInstance({ recycling: true })], true],
    ['stopped', [cloudInstance({ status: 'Stopped' })], true],
    ['there', [cloudInstance()], false],
  ])('whose instance is %s', (_title, seen, lost) => {
    expect(isLost(spareRecord(), seen)).toBe(lost);
  });
});

test('beyond the number the oldest go', () => {
  const spares = [2, 3, 1].map((number) => spareRecord({ number, startMs: START + number * MINUTE }));
  const ids = (profile: Profile, nowMs: number) =>
    beyond(spares, profile, 1, nowMs).map(({ instance }) => instance.instanceId);
  expect(ids(spareProfile(), START)).toEqual(['i-1', 'i-2']);
  // One that was made for a job which did not come may serve another.
  const forecast = spareProfile({ spares: { ...spareProfile().spares!, keep: 0, max: 5 } });
  expect(ids(forecast, START + MINUTE)).toEqual([]);
  expect(ids(forecast, START + 2 * MINUTE)).toEqual(['i-1']);
});

describe('hours', () => {
  const at = (text: string): Date => new Date(`2026-11-${text}:00`);
  test.each<[string, string, boolean]>([
    // The 23rd is a Monday.
    ['Mon-Fri 09:00-19:00', '23T09:00', true],
    ['Mon-Fri 09:00-19:00', '23T08:59', false],
    ['Mon-Fri 09:00-19:00', '27T18:59', true],
    ['Mon-Fri 09:00-19:00', '27T19:00', false],
    ['Mon-Fri 09:00-19:00', '28T12:00', false],
    ['Mon-Fri 09:00-19:00, Sat 10:00-14:00', '28T12:00', true],
    ['Fri-Mon 00:00-24:00', '29T23:59', true],
    ['Fri-Mon 00:00-24:00', '25T23:59', false],
    ['09:00-10:00', '29T09:30', true],
  ])('%s holds %s: %s', (text, time, holds) => {
    expect(isWithin(parseHours(text)!, at(time))).toBe(holds);
  });

  test.each(['', 'Mon', '9-19', '19:00-09:00', 'Mon-Fri 09:00-25:00', 'Mon,Tue 09:00-10:00', 'Mo 09:00-10:00'])(
    '%j is none',
    (text) => expect(parseHours(text)).toBeUndefined(),
  );
});
