import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createPlacement } from '../../../src/placement';
import { TestCloud } from '../../sandbox/cloud/support';
import { clientOf } from '../../support/cloud-client';
import { testProfile } from '../../support/profile';

/** A profile by size, in a region that sells as many types as a real one. */
let simulated: TestCloud;
let stateDir: string;
const calls: string[] = [];
/** So many calls, each asked after the answer of the one before it. */
let longestChain = 0;
const chainOf = new WeakMap<object, number>();
/** What an answer of the real API takes, about: one call after the other would be too slow. */
const ANSWER_MS = 200;
beforeAll(async () => {
  stateDir = mkdtempSync(path.join(os.tmpdir(), 'region-'));
  simulated = await TestCloud.start({
    types: 775,
    onCall: ({ action, answer, parameters }) => {
      if (answer) {
        longestChain = Math.max(longestChain, chainOf.get(parameters) ?? 0);
        return void calls.push(action);
      }
      chainOf.set(parameters, longestChain + 1);
      return new Promise<void>((resolve) => setTimeout(resolve, ANSWER_MS));
    },
  });
});
afterAll(async () => {
  await simulated.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

test('a profile by size is answered within 30 calls and 3 s, disk included, and with types that a build wants', async () => {
  const { region, vpcId } = simulated.info;
  const { cloud } = clientOf(simulated);
  const placement = createPlacement({
    cloud,
    settings: { stateDir, cloud: { vpcId, vSwitchIds: [], region } },
    now: Date.now,
  });
  calls.length = 0;
  longestChain = 0;
  const startCpu = process.cpuUsage();
  const profile = testProfile({
    instances: { vcpu: 4, memoryGiB: 8, architecture: 'x86_64', gpus: 0 },
    spot: { ...testProfile().spot, maxPriceYuanPerHour: 5, fallback: 'on-demand' },
  });
  const { candidates, warnings } = await placement.candidates({ profile, timeoutMs: 3_600_000, jobKey: 'x' });
  expect(warnings).toEqual([]);
  expect(calls.length).toBeLessThanOrEqual(30);
  expect(calls).toContain('DescribePrice');
  // What it takes by the clock of a machine that does nothing else.
  const { user, system } = process.cpuUsage(startCpu);
  expect(longestChain * ANSWER_MS + (user + system) / 1000).toBeLessThan(3_000);
  const types = [...new Set(candidates.map(({ instanceType }) => instanceType))];
  expect(types.length).toBeGreaterThan(2);
  expect(types.filter((type) => /^ecs\.(ebm|t\d|e-|s6)/.test(type))).toEqual([]);
  expect(types.every((type) => type.endsWith('.xlarge'))).toBe(true);
});
