import { aboutTypes } from '../../../src/cloud/about-types';
import { CloudRefused } from '../../../src/cloud/errors';

const refusal = (code: string, retryable = false) =>
  new CloudRefused({ action: 'DescribeInstanceTypes', code, message: 'no', requestId: '' }, retryable);

/** A region that knows the types that begin with `known`, and tells about others in its own way. */
function region(other: 'refuse' | 'leave out', error = refusal('InvalidInstanceType.ValueNotSupported')) {
  const asked: number[] = [];
  const ask = async (batch: readonly string[]) => {
    asked.push(batch.length);
    if (other === 'refuse' && batch.some((type) => !type.startsWith('known'))) throw error;
    return batch.filter((type) => type.startsWith('known'));
  };
  return { asked, ask };
}

const types = [...Array.from({ length: 11 }, (_, index) => `known${index}`), 'sold elsewhere'];
const known = types.slice(0, 11);

test.each(['refuse', 'leave out'] as const)(
  'a type that the region does not sell costs no other its answer: %s',
  async (other) => {
    const { ask, asked } = region(other);
    expect(await aboutTypes(types, ask)).toEqual(known);
    expect(asked).toEqual(other === 'refuse' ? [10, 2, 1, 1] : [10, 2]);
  },
);

test.each([
  ['a permission', refusal('Forbidden.RAM')],
  ['throttling', refusal('Throttling', true)],
])('a refusal for %s is not a type’s: it is told at once', async (_what, error) => {
  const { ask, asked } = region('refuse', error);
  await expect(aboutTypes(types, ask)).rejects.toBe(error);
  expect(asked).toEqual([10, 2]);
});

test('a region that sells none of them says so', async () => {
  await expect(aboutTypes(['a', 'b'], region('refuse').ask)).rejects.toThrow('InvalidInstanceType.ValueNotSupported');
});
