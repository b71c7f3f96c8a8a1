import type { CloudInstance } from '../../../src/cloud/types';
import { endStaleBuilds, LONGEST_BUILD_MS } from '../../../src/image/stale';

const started = Date.UTC(2026, 10, 24, 12, 0, 0);

async function ended(stacks: string[], tagged: string[], nowMs: number): Promise<string[]> {
  const destroyed: string[] = [];
  await endStaleBuilds({
    cloud: {
      findInstances: () =>
        Promise.resolve(tagged.map((stack) => ({ tags: { 'gitlab-spot/stack': stack } }) as unknown as CloudInstance)),
    },
    engine: {
      list: () =>
        Promise.resolve(
          stacks.map((name) => ({ name, lastUpdate: undefined, resourceCount: 0, updateInProgress: false })),
        ),
      destroy: (name) => {
        destroyed.push(name);
        return Promise.resolve({ instanceGoneAt: undefined });
      },
    },
    executorId: 'host-1',
    nowMs,
    log: () => undefined,
  });
  return destroyed;
}

describe('endStaleBuilds', () => {
  it('destroys what a killed build left, whether the backend or only the cloud knows of it', async () => {
    const after = started + LONGEST_BUILD_MS + 1;
    expect(await ended(['image-java23-20261124120000', 'job-x-1-1'], ['image-old-20261123000000'], after)).toEqual([
      'image-old-20261123000000',
      'image-java23-20261124120000',
    ]);
  });

  it('leaves a build alone that may still be at work, and every other stack', async () => {
    expect(
      await ended(['image-java23-20261124120000', 'job-x-1-1', 'foundation', 'image-odd'], [], started + 1000),
    ).toEqual([]);
  });
});
