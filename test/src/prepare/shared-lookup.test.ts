import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Cloud, CloudInstance } from '../../../src/cloud/types';
import { TAG } from '../../../src/jobs/types';
import { sharedLookup } from '../../../src/prepare/shared-lookup';
import { cloudInstance } from '../../support/fakes';

let stateDir: string;
beforeEach(() => (stateDir = mkdtempSync(path.join(os.tmpdir(), 'lookup-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const stack = (number: number) => ({ [TAG.stack]: `job-${number}` });
const instances = [1, 2, 3].map((number) => cloudInstance({ instanceId: `i-${number}`, tags: stack(number) }));

/** A prepare of this host. */
function prepare(findInstances: Cloud['findInstances'], now = () => 1_000_000): Cloud['findInstances'] {
  const settings = { stateDir, executorId: 'host-1', cloud: { region: 'cn-hangzhou' } };
  return sharedLookup({ cloud: { findInstances }, settings, now });
}

test('all prepares of a host look in one call, and each sees its own instance', async () => {
  const asked: unknown[] = [];
  const answer = async (tags: object): Promise<CloudInstance[]> => (asked.push(tags), instances);
  const found = await Promise.all([1, 2, 3, 4].map((number) => prepare(answer)(stack(number))));
  expect(found.map((seen) => seen.map(({ instanceId }) => instanceId))).toEqual([['i-1'], ['i-2'], ['i-3'], []]);
  expect(asked).toEqual([{ [TAG.executor]: 'host-1', [TAG.stateDir]: stateDir }]);
});

test('the next look of a prepare is a new one', async () => {
  let nowMs = 1_000_000;
  let looks = 0;
  const lookUp = prepare(
    async () => (looks++ === 0 ? instances : []),
    () => nowMs,
  );
  expect(await lookUp(stack(1))).toHaveLength(1);
  nowMs += 500;
  expect(await lookUp(stack(1))).toEqual([]);
});

test('one that died while it asked, or left half a file, holds nobody for long', async () => {
  const folder = path.join(stateDir, 'lookups', 'cn-hangzhou');
  const asking = path.join(folder, 'instances.json.asking');
  mkdirSync(asking, { recursive: true });
  writeFileSync(path.join(folder, 'instances.json'), '{"atMs":999900,"value":[{"instanceId":');
  const then = (Date.now() - 3_100) / 1000;
  utimesSync(asking, then, then);
  expect(await prepare(async () => instances)(stack(2))).toHaveLength(1);
});

test('what can’t be asked is an error for that look alone', async () => {
  await expect(prepare(() => Promise.reject(new Error('Throttling')))(stack(1))).rejects.toThrow('Throttling');
  expect(await prepare(async () => instances)(stack(1))).toHaveLength(1);
});
