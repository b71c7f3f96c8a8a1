import { keysBesideUp } from '../../../src/composition/keys';
import type { Settings } from '../../../src/settings/types';

const settings = {} as Settings;

test.each<[string, number[], number]>([
  ['a few keys, one at a time', [1, 1, 1, 1, 1], 4],
  ['none more, once there is no room or others have work', [1, 0, 1], 2],
])('from the moment in which its instance is accepted an `up` makes %s', async (_what, found, looks) => {
  let looked = 0;
  const fill = (): Promise<number> => Promise.resolve(found[looked++] ?? 0);
  const keys = keysBesideUp(settings, fill, 0);
  expect(looked).toBe(0);
  // It may be told twice.
  keys.begin();
  keys.begin();
  while (looked < looks) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(looked).toBe(looks);
  await keys.end();
});

test('it ends with the key in work, and makes no other', async () => {
  let made = 0;
  let finish = (): void => undefined;
  let begun: (signal: AbortSignal) => void;
  const began = new Promise<AbortSignal>((resolve) => (begun = resolve));
  const fill = (signal: AbortSignal): Promise<number> => {
    begun(signal);
    return new Promise((resolve) => (finish = () => resolve((made += 1))));
  };
  const keys = keysBesideUp(settings, fill, 0);
  keys.begin();
  const signal = await began;
  const end = keys.end();
  expect(signal.aborted).toBe(true);
  finish();
  await end;
  expect(made).toBe(1);
});

test('where nothing was accepted there is nothing to wait for', async () => {
  await keysBesideUp(settings, () => Promise.reject(new Error('asked'))).end();
});
