import { entryOf } from '../../../src/billing/cost';
import { factsOf } from '../../../src/billing/found-instance';
import type { LedgerEntry } from '../../../src/billing/types';
import type { EcsCloud } from '../../../src/cloud/client';
import type { JobRecord } from '../../../src/jobs/types';
import { TestCloud } from '../../sandbox/cloud/support';
import { clientOf } from '../../support/cloud-client';
import { destroyingRecord } from '../../support/job-record';

/**
 * The ledger's lines beside the simulated cloud's own bill, which counts instance and disk apart.
 */
let simulated: TestCloud;
let cloud: EcsCloud;
beforeEach(async () => {
  simulated = await TestCloud.start();
  ({ cloud } = clientOf(simulated));
});
afterEach(() => simulated.stop());

const PL0 = { 'SystemDisk.Category': 'cloud_essd', 'SystemDisk.PerformanceLevel': 'PL0', 'SystemDisk.Size': '40' };

/** An instance that lives for so long, and what the ledger says of it. */
async function entryAfter(seconds: number, launch: Record<string, string>): Promise<LedgerEntry> {
  const instanceId = await simulated.launchRunning(launch);
  const instance = await factsOf(await cloud.describeInstance(instanceId), cloud);
  simulated.clock.advance(seconds * 1000 - 1000);
  await simulated.ok('DeleteInstance', { InstanceId: instanceId, Force: 'true' });
  simulated.clock.advance(1000);
  const [line] = (await simulated.control.bill()).filter((one) => one.instanceId === instanceId);
  return entryOf({ ...destroyingRecord(), instance } as JobRecord, new Date(line!.to!))!;
}

test.each([
  ['an ESSD of level PL0', PL0],
  ['an ESSD without a level, which is one of PL1', { ...PL0, 'SystemDisk.PerformanceLevel': '' }],
  [
    'an entry disk',
    { 'SystemDisk.Category': 'cloud_essd_entry', 'SystemDisk.Size': '60', InstanceType: 'ecs.u1-c1m2.xlarge' },
  ],
  ['pay-as-you-go', { ...PL0, SpotStrategy: 'NoSpot' }],
])('the ledger says what the cloud bills, instance and disk apart: %s', async (_title, launch) => {
  const asked = Object.fromEntries(Object.entries(launch).filter(([, value]) => value !== ''));
  const entry = await entryAfter(487, asked);
  const [billed] = await simulated.control.costs();
  expect(entry.diskYuan).toBeGreaterThan(0.003);
  expect(entry).toMatchObject({ yuan: billed!.yuan, diskYuan: billed!.diskYuan });
});

test('what 8 minutes on 4 vCPU and 8 GiB cost: 0.021 yuan for the instance, 0.026 with its disk', async () => {
  const { yuan, diskYuan } = await entryAfter(480, { ...PL0, VSwitchId: simulated.vSwitch('k') });
  expect(yuan - diskYuan!).toBeCloseTo(0.0207, 4);
  expect(diskYuan).toBeCloseTo(0.0056, 4);
  // A job of one prepare and a few minutes: the seed's 0.02 to 0.025 yuan is true without the disk
  // only.
  expect(yuan).toBeGreaterThan(0.025);
});

test('an account that is billed in dollars has dollars in its ledger', async () => {
  await simulated.control.setCurrency('USD');
  expect(await entryAfter(480, PL0)).toMatchObject({ currency: 'USD' });
});
