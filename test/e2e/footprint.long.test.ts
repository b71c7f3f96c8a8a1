import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { MOST_KEYS } from '../../src/ssh/key-reserve';
import { World } from '../support/world';

/**
 * What jobs leave on the host's disk: nothing that grows with their number but the ledger's line
 * and a small counter each.
 */
jest.setTimeout(240_000);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

interface Footprint {
  readonly files: readonly string[];
  readonly bytes: number;
}

/** All files below a folder of the sandbox, those left out that are told to grow. */
function footprint(folder: string, grows: RegExp): Footprint {
  const root = path.join(world.sandbox.directory, folder);
  if (!existsSync(root)) return { files: [], bytes: 0 };
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((name) => !grows.test(name))
    .sort();
  return { files, bytes: files.reduce((sum, name) => sum + statSync(path.join(root, name)).size, 0) };
}

const PLACES = [
  // Keys made ahead have a bound of their own.
  ['state', /^(ledger|attempts|keys)\//],
  ['backend', /^$/],
  // The real CLI's own logs, which it keeps below a limit that it is given.
  ['pulumi', /^logs\//],
] as const;

async function jobs(count: number): Promise<void> {
  const yaml = Array.from({ length: count }, (_, index) => `job-${index}:\n  script: echo done\n`).join('');
  const { jobs: results } = await world.pipeline(yaml, {
    concurrency: 2,
    environment: { GITLAB_SPOT_CLEANUP: 'wait' },
  });
  expect(results.map(({ state }) => state)).toEqual(Array<string>(count).fill('success'));
  await world.nothingLeft();
}

test('the host after four jobs looks as after two, but for a line of the ledger and a counter each', async () => {
  // The second one leaves compiled what the first one has packed (docs/adr/0022).
  await jobs(1);
  await jobs(1);
  const before = PLACES.map(([folder, grows]) => footprint(folder, grows));
  await jobs(2);
  const after = PLACES.map(([folder, grows]) => footprint(folder, grows));
  expect(after.map(({ files }) => files)).toEqual(before.map(({ files }) => files));
  for (const [index, { bytes }] of after.entries()) expect(bytes - before[index]!.bytes).toBeLessThan(4_096);
  const ledger = footprint('state/ledger', /^$/);
  expect(ledger.files).toHaveLength(4);
  expect(ledger.bytes).toBeLessThan(4 * 1_024);
  const counters = footprint('state/attempts', /^$/);
  expect(counters.files).toHaveLength(4);
  expect(counters.bytes).toBeLessThanOrEqual(4 * 4);
  const keys = footprint('state/keys', /^$/);
  expect(keys.files.length).toBeLessThanOrEqual(MOST_KEYS);
  expect(keys.bytes).toBeLessThanOrEqual(MOST_KEYS * 2_560);
});
