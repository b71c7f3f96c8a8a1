import type { CloudInstance } from '../../../src/cloud/types';
import { watchInstance } from '../../../src/prepare/instance-watch';

const instance = (status: CloudInstance['status'], privateAddress?: string): CloudInstance => ({
  instanceId: 'i-1',
  status,
  instanceType: 'ecs.c7.xlarge',
  zoneId: 'z',
  privateAddress,
  publicAddress: undefined,
  tags: {},
  createdAt: '',
  market: 'spot',
  durationHours: 0,
  autoReleaseTime: undefined,
  recycling: false,
});

/**
 * Answers of the cloud in order, the last one for ever; the clock goes on only while the watch
 * pauses.
 */
async function watch(
  answers: readonly (CloudInstance | 'nothing' | 'no answer')[],
  {
    untilMs = 120_000,
    wasThere = () => false,
    acceptedAtMs = Infinity,
    named = () => undefined,
  }: {
    untilMs?: number;
    wasThere?: (nowMs: number) => boolean;
    acceptedAtMs?: number;
    named?: (nowMs: number) => CloudInstance | undefined;
  } = {},
) {
  let nowMs = 0;
  let asked = 0;
  const stop = new AbortController();
  const seen: string[] = [];
  const slow: number[] = [];
  let vanishedAtMs: number | undefined;
  let goneMs: number | undefined;
  await watchInstance(
    {
      findInstances: () => {
        const answer = answers[Math.min(asked++, answers.length - 1)]!;
        if (answer === 'no answer') return Promise.reject(new Error('throttled'));
        return Promise.resolve(answer === 'nothing' ? [] : [answer]);
      },
    },
    'job-1',
    {
      signal: stop.signal,
      now: () => nowMs,
      wasThere: () => wasThere(nowMs),
      named: () => Promise.resolve([named(nowMs)].filter((one) => one !== undefined)),
      acceptedMs: () => (nowMs >= acceptedAtMs ? acceptedAtMs : undefined),
      pause: (ms) => {
        nowMs += ms;
        if (nowMs >= untilMs) stop.abort();
        return Promise.resolve();
      },
      onSeen: (one) => seen.push(`${one.status} ${one.privateAddress ?? '-'}`),
      onSlow: (forMs) => slow.push(forMs),
      onDisappeared: (atMs) => {
        vanishedAtMs = nowMs;
        goneMs = atMs;
      },
    },
  );
  return { seen, vanishedAtMs, goneMs, slow };
}

describe('the watch over an instance', () => {
  test('sees one by its name that was accepted and can’t be found by its tags', async () => {
    const found = instance('Running', '10.0.0.1');
    const late = await watch(['nothing'], { acceptedAtMs: 1_000, named: () => found });
    expect(late).toMatchObject({ seen: ['Running 10.0.0.1'], vanishedAtMs: undefined });
    const gone = await watch(['nothing'], {
      acceptedAtMs: 1_000,
      named: (nowMs) => (nowMs < 30_000 ? found : undefined),
    });
    expect(gone).toMatchObject({ seen: ['Running 10.0.0.1'], goneMs: expect.closeTo(31_500, -4) as number });
  });

  test('tells each news once', async () => {
    const answers = [
      instance('Pending'),
      instance('Pending'),
      instance('Pending', '10.0.0.1'),
      instance('Running', '10.0.0.1'),
    ];
    expect(await watch(answers)).toEqual({
      seen: ['Pending -', 'Pending 10.0.0.1', 'Running 10.0.0.1'],
      vanishedAtMs: undefined,
      goneMs: undefined,
      slow: [],
    });
  });

  test('knows within seconds that a pending instance vanished', async () => {
    // Seen at 0.5 s, missed at 1.5 s and at 2.5 s.
    expect(await watch([instance('Pending'), 'nothing'])).toMatchObject({ vanishedAtMs: 2_500, goneMs: 1_000 });
  });

  test('knows within 15 s of its acceptance that one vanished whose request was throttled for half a minute', async () => {
    const throttled = Array.from({ length: 60 }, () => 'nothing' as const);
    const { vanishedAtMs, slow } = await watch([...throttled, instance('Pending'), 'nothing']);
    expect(vanishedAtMs).toBeGreaterThan(30_000);
    expect(vanishedAtMs).toBeLessThanOrEqual(45_000);
    expect(slow).toEqual([12_000]);
  });

  test('takes none for vanished that has not come yet, and says once that it takes long', async () => {
    expect(await watch(['nothing'])).toMatchObject({ vanishedAtMs: undefined, slow: [12_000] });
  });

  test('knows within 15 s of its acceptance that one vanished which nobody has seen', async () => {
    for (const acceptedAtMs of [0, 45_000])
      expect(await watch(['nothing'], { acceptedAtMs })).toMatchObject({ vanishedAtMs: acceptedAtMs + 8_500 });
  });

  test('takes one for none that has vanished which shows up late, or while the cloud could not be asked', async () => {
    const late = Array.from({ length: 15 }, () => 'nothing' as const);
    expect(await watch([...late, instance('Pending'), instance('Running')], { acceptedAtMs: 0 })).toMatchObject({
      seen: ['Pending -', 'Running -'],
      vanishedAtMs: undefined,
      slow: [],
    });
    const silent = Array.from({ length: 60 }, () => 'no answer' as const);
    expect(await watch([...silent, 'nothing', instance('Running')], { acceptedAtMs: 0 })).toMatchObject({
      seen: ['Running -'],
      vanishedAtMs: undefined,
    });
  });

  test('knows within seconds that one vanished which only the provider has seen', async () => {
    const { vanishedAtMs } = await watch(['nothing'], { wasThere: (nowMs) => nowMs >= 30_000 });
    expect(vanishedAtMs).toBeGreaterThanOrEqual(30_000);
    expect(vanishedAtMs).toBeLessThanOrEqual(32_000);
  });

  test('believes a single empty answer as little as a failed call', async () => {
    const answers = [
      instance('Running', 'a'),
      'nothing',
      instance('Running', 'a'),
      'no answer',
      'no answer',
      instance('Running', 'a'),
    ] as const;
    expect((await watch(answers)).vanishedAtMs).toBeUndefined();
  });

  test('gives no verdict while the cloud can not be asked', async () => {
    expect((await watch(['no answer'])).vanishedAtMs).toBeUndefined();
  });
});
