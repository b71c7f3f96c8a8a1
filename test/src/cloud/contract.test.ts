/**
 * Every call that our own code makes, held to Alibaba Cloud's own description of its API, and
 * answered by the simulated cloud.
 */
import { executorPolicy } from '../../../stacks/ram-policy';
import { createAccount, type Account } from '../../../src/cloud/account';
import { bucketGiB } from '../../../src/cloud/bucket-size';
import { EcsCloud } from '../../../src/cloud/client';
import { credentialsProvider } from '../../../src/cloud/credentials';
import { createImages, type Images } from '../../../src/cloud/images';
import { missingPermissions } from '../../../src/cloud/permissions';
import { Rpc } from '../../../src/cloud/rpc';
import type { Cloud } from '../../../src/cloud/types';
import { ContractWatch } from '../../support/contract';
import { TestCloud } from '../../sandbox/cloud/support';

const watch = new ContractWatch();
let simulated: TestCloud;
let rpc: Rpc;

beforeAll(async () => {
  simulated = await TestCloud.start({ onCall: watch.onCall });
  const endpoint = `http://${simulated.info.endpoint}`;
  const { accessKeyId, accessKeySecret } = simulated.info;
  rpc = new Rpc({
    environment: {},
    region: simulated.info.region,
    endpoints: { ecs: endpoint, vpc: endpoint, ram: endpoint, sts: endpoint, cms: endpoint },
    credentials: credentialsProvider({
      credentials: { accessKeyId, accessKeySecret, securityToken: undefined },
      ecsRoleName: undefined,
    }),
  });
});
afterAll(() => simulated.stop());
afterEach(() => expect(watch.problems).toEqual([]));

/** More than a call takes. */
const TYPES = [
  'ecs.c7.large',
  'ecs.c7.xlarge',
  'ecs.c7.2xlarge',
  'ecs.c7.4xlarge',
  'ecs.g7.large',
  'ecs.g7.xlarge',
].concat(['ecs.g7.2xlarge', 'ecs.r7.xlarge', 'ecs.c8a.large', 'ecs.c8a.xlarge', 'ecs.c8a.2xlarge', 'ecs.c8i.xlarge']);
const NOW = Math.floor(Date.now() / 1000) * 1000;

test('what jobs ask and do', async () => {
  const cloud: Cloud = new EcsCloud(rpc, simulated.info.region);
  const tags = { 'gitlab-spot': 'job', 'gitlab-spot/job': '1' };
  const tagged = { 'Tag.1.Key': 'gitlab-spot', 'Tag.1.Value': 'job' };
  const instanceId = await simulated.launchRunning(tagged);
  const group = await simulated.securityGroup(tagged);
  const pool = { instanceType: 'ecs.c7.xlarge', zoneId: 'cn-hangzhou-k' };
  const each: Record<keyof Cloud, () => Promise<unknown>> = {
    findInstances: () => cloud.findInstances(tags),
    instancesNamed: () => cloud.instancesNamed('job-1'),
    describeInstance: () => cloud.describeInstance(instanceId),
    madeAt: () => cloud.madeAt(instanceId),
    findSecurityGroups: () => cloud.findSecurityGroups(tags),
    deleteSecurityGroup: () => cloud.deleteSecurityGroup(group),
    findKeyPairs: () => cloud.findKeyPairs(tags),
    deleteKeyPair: () => cloud.deleteKeyPair('job-1'),
    vSwitches: () => cloud.vSwitches(simulated.info.vpcId),
    stock: () => cloud.stock(TYPES[0]!, 'spot', 'cloud_essd'),
    spotPrices: () => cloud.spotPrices('ecs.c7.xlarge', 0),
    spotPriceHistory: () => cloud.spotPriceHistory(pool, 1, { from: new Date(NOW - 3600_000), to: new Date(NOW) }),
    spotAdvice: () => cloud.spotAdvice(TYPES),
    diskPrice: () => cloud.diskPrice({ category: 'cloud_essd', performanceLevel: 'PL0', sizeGiB: 40 }),
    systemDisk: () => cloud.systemDisk(instanceId),
    instanceTypes: () => cloud.instanceTypes({ vcpu: 4, memoryGiB: 8, architecture: 'x86_64', gpus: 0 }),
    resolveImage: () => cloud.resolveImage('gitlab-spot-java23'),
    tagInstance: () => cloud.tagInstance(instanceId, { 'gitlab-spot/holder': 'job-1' }),
    setReleaseTime: () => cloud.setReleaseTime(instanceId, new Date(NOW + 3600_000).toISOString().replace('.000', '')),
    deleteInstance: () => cloud.deleteInstance(instanceId),
  };
  for (const call of Object.values(each)) await call();
  expect(new Set((await cloud.spotAdvice(TYPES)).map((one) => one.instanceType))).toEqual(new Set(TYPES));
});

test('what init and doctor ask of an account', async () => {
  const account = createAccount(rpc);
  const each: Record<keyof Account, () => Promise<unknown>> = {
    regions: () => account.regions(),
    vpcs: () => account.vpcs('cn-hangzhou'),
    identity: () => account.identity(),
    quotas: () => account.quotas(),
    counts: () => account.counts(),
    securityGroup: async () => account.securityGroup(await simulated.securityGroup()),
    vcpus: () => account.vcpus(TYPES),
  };
  for (const call of Object.values(each)) await call();
  expect((await account.vcpus(TYPES)).size).toBe(TYPES.length);
});

test('what images need', async () => {
  const images = createImages(rpc);
  const instanceId = await simulated.launchRunning();
  const image = { name: 'ours-1', family: 'ours', description: 'baked by a test', tags: { 'gitlab-spot': 'image' } };
  let imageId = '';
  const each: Record<keyof Images, () => Promise<unknown>> = {
    create: async () => (imageId = await images.create(instanceId, image)),
    stop: () => images.stop(instanceId),
    own: () => images.own('ours'),
    newestPublic: () => images.newestPublic('acs:ubuntu_24_04_x64'),
    remove: () => images.remove({ imageId, snapshotIds: ['s-none'] }),
    removeRest: () => images.removeRest(),
  };
  for (const call of Object.values(each)) await call();
});

test('what cost asks of a bucket', async () => {
  await expect(bucketGiB(rpc, 'none')).resolves.toBeUndefined();
});

test('every probe of a permission is a call of the API', async () => {
  const actions = executorPolicy({ images: true }).Statement.flatMap(({ Action }) => Action);
  await expect(missingPermissions(rpc, actions)).resolves.toEqual([]);
});
