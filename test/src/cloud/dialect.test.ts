import { createAccount } from '../../../src/cloud/account';
import { EcsCloud } from '../../../src/cloud/client';
import { createImages } from '../../../src/cloud/images';
import type { Params, Rpc } from '../../../src/cloud/rpc';
import { waysOut } from '../../../src/cloud/way-out';
import { clientOf } from '../../support/cloud-client';
import { TestCloud } from '../../sandbox/cloud/support';

/**
 * Another cloud of the same documents: lists in another order, nothing said where there is nothing
 * to say, numbers as texts, pages smaller than asked for. We read the same out of it.
 */
const TIME = { from: new Date(Date.now() - 7_200_000), to: new Date() };

let simulated: TestCloud;
let rpc: Rpc;
let instanceId: string;

beforeAll(async () => {
  simulated = await TestCloud.start();
  ({ rpc } = clientOf(simulated));
  const tagged = { 'Tag.1.Key': 'gitlab-spot', 'Tag.1.Value': 'job' };
  instanceId = await simulated.launchRunning(tagged);
  for (let count = 1; count < 5; count++) await simulated.launchRunning(tagged);
  await simulated.securityGroup(tagged);
});
afterAll(() => simulated.stop());

type Change = (value: unknown) => unknown;

const each =
  (change: (value: unknown, inner: Change) => unknown): Change =>
  (value) =>
    change(value, (inner) => each(change)(inner));
const within = (value: unknown, inner: Change): unknown => {
  if (Array.isArray(value)) return value.map(inner);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inner(one)]));
};
const isNothing = (value: unknown): boolean =>
  value === '' || value === null || value === false || (typeof value === 'object' && Object.keys(value).length === 0);

const DIALECTS: readonly (readonly [string, Change])[] = [
  [
    'lists in another order',
    each((value, inner) => (Array.isArray(value) ? value.map(inner).reverse() : within(value, inner))),
  ],
  [
    'nothing where there is nothing to say',
    each((value, inner) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? within(Object.fromEntries(Object.entries(value).filter(([, one]) => !isNothing(one))), inner)
        : within(value, inner),
    ),
  ],
  ['null where there is nothing to say', each((value, inner) => (isNothing(value) ? null : within(value, inner)))],
  ['numbers as texts', each((value, inner) => (typeof value === 'number' ? String(value) : within(value, inner)))],
];

async function readBy({ call }: Pick<Rpc, 'call'>): Promise<unknown> {
  const asked = { call } as Rpc;
  const { region, vpcId } = simulated.info;
  const cloud = new EcsCloud(asked, region);
  const account = createAccount(asked);
  const tags = { 'gitlab-spot': 'job' };
  const zone = { instanceType: 'ecs.c7.xlarge', zoneId: 'cn-hangzhou-k' };
  const vSwitches = await cloud.vSwitches(vpcId);
  return Promise.all([
    cloud.findInstances(tags),
    cloud.describeInstance(instanceId),
    cloud.madeAt(instanceId),
    cloud.systemDisk(instanceId),
    cloud.findSecurityGroups(tags),
    cloud.findKeyPairs(tags),
    vSwitches,
    cloud.stock(zone.instanceType, 'spot', 'cloud_essd'),
    cloud.spotPrices(zone.instanceType, 1),
    cloud.spotPriceHistory(zone, 0, TIME),
    cloud.spotAdvice([zone.instanceType, 'ecs.c8a.xlarge']),
    cloud.diskPrice({ category: 'cloud_essd', performanceLevel: 'PL0', sizeGiB: 40 }),
    cloud.instanceTypes({ vcpu: 4, memoryGiB: 8, architecture: 'x86_64', gpus: 0 }),
    cloud.resolveImage('gitlab-spot-java23'),
    createImages(asked).own('gitlab-spot-java23'),
    account.regions(),
    account.vpcs(region),
    account.identity(),
    account.quotas(),
    account.counts(),
    account.vcpus([zone.instanceType]),
    waysOut(asked, vpcId, vSwitches),
  ]);
}

/** In one order. */
const sorted = each((value, inner) =>
  Array.isArray(value)
    ? value.map(inner).sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))
    : within(value instanceof Map ? [...value] : value, inner),
);
const plain = () => readBy({ call: (...asked) => rpc.call(...asked) });

test.each(DIALECTS)('%s', async (_, change) => {
  const read = await readBy({ call: async (...asked) => change(await rpc.call(...asked)) });
  expect(sorted(read)).toEqual(sorted(await plain()));
});

test('pages smaller than asked for', async () => {
  const small = (params: Params): Params => ('PageSize' in params ? { ...params, PageSize: 2 } : params);
  const read = await readBy({ call: (service, action, params) => rpc.call(service, action, small(params)) });
  expect(sorted(read)).toEqual(sorted(await plain()));
});
