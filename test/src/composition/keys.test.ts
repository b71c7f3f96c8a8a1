import { keysBesideUp } from '../../../src/composition/keys';
import type { Settings } from '../../../src/settings/types';

const settings = {} as Settings;

test('an `up` makes a few keys, one at a time, from the moment in which its instance is accepted', async () => {
  const made: number[] = [];
  const done = new Promise<void>((resolve) => {
    const looks = [1, 0, 1, 1, 1];
    const keys = keysBesideUp(
      settings,
      () => {
        const one = looks.shift() ?? 9;
        made.push(one);
        if (looks.length === 0) setImmediate(() => void keys.end().then(resolve));
        return Promise.resolve(one);
      },
      0,
    );
    // It may be told twice.
    keys.begin();
    keys.begin();
  });
  expect(made).toEqual([]);
  await done;
  expect(made).toEqual([1, 0, 1, 1, 1]);
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
