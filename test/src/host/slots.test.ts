import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { trySlot } from '../../../src/host/queue';
import { acceptedQueue, engineQueue, isQuiet } from '../../../src/host/slots';
import type { Settings } from '../../../src/settings/types';

const stateDir = mkdtempSync(path.join(tmpdir(), 'slots-'));
afterAll(() => rmSync(stateDir, { recursive: true }));
const settings = { stateDir, limits: { concurrentUps: 1, acceptedUps: 4 } } as Settings;

test('what can wait is done while no job creates its instance, and one at most waits for it', () => {
  expect(isQuiet(settings)).toBe(true);
  const creating = trySlot(engineQueue(settings))!;
  expect(isQuiet(settings)).toBe(false);
  creating.release();
  const accepted = trySlot(acceptedQueue(settings))!;
  expect(isQuiet(settings)).toBe(true);
  const another = trySlot(acceptedQueue(settings))!;
  expect(isQuiet(settings)).toBe(false);
  [accepted, another].forEach((slot) => slot.release());
});
