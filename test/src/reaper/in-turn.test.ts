import { inTurn } from '../../../src/reaper/in-turn';

test('each part of a round has its turn, and no failure of one is lost', async () => {
  const done: string[] = [];
  const warned: string[] = [];
  const part = (name: string) => () => void done.push(name);
  const failing = (why: string) => () => Promise.reject(new Error(why));
  const round = inTurn(
    (line) => warned.push(line),
    part('leftovers'),
    failing('a build is held'),
    part('spares'),
    failing('the page is gone'),
    part('table'),
  );
  await expect(round).rejects.toThrow('a build is held');
  expect({ done, warned }).toEqual({ done: ['leftovers', 'spares', 'table'], warned: ['the page is gone'] });
});

test('parts that all went well leave nothing to tell', async () => {
  await expect(inTurn(fail, () => 1)).resolves.toBeUndefined();
});

function fail(line: string): never {
  throw new Error(line);
}
