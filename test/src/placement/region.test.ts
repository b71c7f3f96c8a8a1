import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { EcsCloud } from '../../../src/cloud/client';
import { credentialsProvider } from '../../../src/cloud/credentials';
import { Rpc } from '../../../src/cloud/rpc';
import { createPlacement } from '../../../src/placement';
import { TestCloud } from '../../sandbox/cloud/support';
import { testProfile } from '../../support/profile';

/** A profile by size, in a region that sells as many types as a real one. */
let simulated: TestCloud;
let stateDir: string;
const calls: string[] = [];
beforeAll(async () => {
  stateDir = mkdtempSync(path.join(os.tmpdir(), 'region-'));
  simulated = await TestCloud.start({
    types: 775,
    onCall: ({ action, answer }) => void (answer && calls.push(action)),
  });
});
afterAll(async () => {
  await simulated.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

test('a profile by size is answered within 30 calls, and with types that a build wants', async () => {
  const endpoint = `http://${simulated.info.endpoint}`;
  const { region, accessKeyId, accessKeySecret, vpcId } = simulated.info;
  const cloud = new EcsCloud(
    new Rpc({
      environment: {},
      region,
      endpoints: { ecs: endpoint, vpc: endpoint, ram: endpoint, sts: endpoint },
      credentials: credentialsProvider({
        credentials: { accessKeyId, accessKeySecret, securityToken: undefined },
        ecsRoleName: undefined,
      }),
    }),
    region,
  );
  const placement = createPlacement({
    cloud,
    settings: { stateDir, cloud: { vpcId, vSwitchIds: [], region } },
    now: Date.now,
  });
  calls.length = 0;
  const profile = testProfile({
    instances: { vcpu: 4, memoryGiB: 8, architecture: 'x86_64', gpus: 0 },
    spot: { ...testProfile().spot, maxPriceYuanPerHour: 5, fallback: 'on-demand' },
  });
  const { candidates, warnings } = await placement.candidates({ profile, timeoutMs: 3_600_000, jobKey: 'x' });
  expect(warnings).toEqual([]);
  expect(calls.length).toBeLessThanOrEqual(30);
  const types = [...new Set(candidates.map(({ instanceType }) => instanceType))];
  expect(types.length).toBeGreaterThan(2);
  expect(types.filter((type) => /^ecs\.(ebm|t\d|e-|s6)/.test(type))).toEqual([]);
  expect(types.every((type) => type.endsWith('.xlarge'))).toBe(true);
});
