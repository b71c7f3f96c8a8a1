import { bucketGiB } from '../../../src/cloud/bucket-size';

const asked = (Datapoints: unknown) => bucketGiB({ call: () => Promise.resolve({ RequestId: 'R', Datapoints }) }, 'b');
const points = (...list: readonly object[]) => JSON.stringify(list);
const GIB = 2 ** 30;

test.each<[string, unknown, number | undefined]>([
  ['one class', points({ timestamp: 1, storageType: 'standard', Value: 3 * GIB }), 3],
  [
    'each class counts, by its newest hour',
    points(
      { timestamp: 2, storageType: 'standard', Value: 2 * GIB },
      { timestamp: 1, storageType: 'standard', Value: 9 * GIB },
      { timestamp: 1, storageType: 'ia', Value: GIB },
    ),
    3,
  ],
  ['told as statistics', points({ timestamp: '1', Maximum: String(GIB) }), 1],
  ['an empty bucket', points({ timestamp: 1, Value: 0 }), 0],
  ['not measured yet', '[]', undefined],
  ['nothing told', points({ timestamp: 1 }), undefined],
  ['no list', 'null', undefined],
  ['no JSON', '[{', undefined],
  ['left out', undefined, undefined],
])('%s', async (_, told, gib) => {
  await expect(asked(told)).resolves.toBe(gib);
});
