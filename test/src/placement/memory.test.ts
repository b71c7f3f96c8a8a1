import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PlacementMemory } from '../../../src/placement';
import { instanceFacts } from '../../support/job-record';

test('losses of jobs that are long over are forgotten with the next one, so that their files do not pile up', async () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'memory-'));
  try {
    let nowMs = 0;
    const memory = new PlacementMemory(directory, () => nowMs);
    for (const job of ['a', 'b', 'c']) await memory.rememberLoss(job, instanceFacts.pool);
    expect(readdirSync(path.join(directory, 'losses'))).toHaveLength(3);
    nowMs = 25 * 3_600_000;
    await memory.rememberLoss('d', instanceFacts.pool);
    expect(readdirSync(path.join(directory, 'losses'))).toHaveLength(1);
    expect(await memory.losses('d')).toEqual([instanceFacts.pool]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('of a pool, the last refusal and the last two interruptions are known', async () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'memory-'));
  try {
    let nowMs = 1_000;
    const memory = new PlacementMemory(directory, () => nowMs);
    const { pool } = instanceFacts;
    for (const code of ['Interrupted', 'OperationDenied.NoStock', 'Interrupted']) {
      await memory.remember(pool, code);
      nowMs += 1_000;
    }
    expect([...(await memory.failures())].sort((a, b) => a.atMs - b.atMs)).toEqual([
      { pool, code: 'OperationDenied.NoStock', atMs: 2_000 },
      { pool, code: 'Interrupted', atMs: 3_000, previousMs: 1_000 },
    ]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('what was remembered before the clock was set back holds no pool back until that time comes again', async () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'memory-'));
  try {
    let nowMs = 5 * 3_600_000;
    const memory = new PlacementMemory(directory, () => nowMs);
    await memory.remember(instanceFacts.pool, 'OperationDenied.NoStock');
    await memory.rememberLoss('a', instanceFacts.pool);
    nowMs = 0;
    expect(await memory.seenFailures()).toEqual([]);
    expect(await memory.losses('a')).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
