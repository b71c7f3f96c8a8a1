import { createAccount } from '../../../src/cloud/account';
import { EcsCloud } from '../../../src/cloud/client';
import { createImages } from '../../../src/cloud/images';
import { hasFoundationNat, waysOut } from '../../../src/cloud/way-out';
import type { Rpc } from '../../../src/cloud/rpc';

/** An API whose every answer is this one. */
const answering = (answer: unknown) => ({ call: () => Promise.resolve(answer) }) as unknown as Rpc;

describe('an answer without its empty lists', () => {
  const bare = { RequestId: '1', TotalCount: 0, VpcId: 'vpc-1' };
  const account = createAccount(answering(bare));
  test.each<[string, () => Promise<unknown>, unknown]>([
    ['regions', () => account.regions(), []],
    ['VPCs', () => account.vpcs('cn-hangzhou'), []],
    ['quotas', () => account.quotas(), { spotVcpus: [], onDemandVcpus: [], securityGroups: undefined, keyPairs: 500 }],
    ['a group without rules', () => account.securityGroup('sg-1'), { ingress: [], innerAccess: 'accept' }],
    ['sizes of types', async () => [...(await account.vcpus(['ecs.c7.large']))], []],
    ['own images', () => createImages(answering(bare)).own(), []],
    ['ways out', async () => [...(await waysOut(answering(bare), 'vpc-1', []))], []],
    ['the foundation’s NAT gateway', () => hasFoundationNat(answering(bare), 'vpc-1'), false],
  ])('%s: there are none', async (_what, ask, expected) => {
    const answer = await ask();
    if (Array.isArray(expected) || typeof expected !== 'object') expect(answer).toEqual(expected);
    else expect(answer).toMatchObject(expected as object);
  });
});

test('an attribute of the account counts as a number and as text', async () => {
  const item = (Value: unknown) => ({
    AttributeName: 'max-security-groups',
    AttributeValues: { ValueItem: [{ Value }] },
  });
  for (const Value of ['100', 100]) {
    const account = createAccount(answering({ AccountAttributeItems: { AccountAttributeItem: [item(Value)] } }));
    expect((await account.quotas()).securityGroups).toBe(100);
  }
});

test('an image without tags, disks or progress is one all the same', async () => {
  const Image = [{ ImageId: 'm-1', Status: 'Available', CreationTime: '2026-11-01T00:00:00Z', Size: '40' }];
  const [image] = await createImages(answering({ TotalCount: '1', Images: { Image } })).own();
  expect(image).toMatchObject({ imageId: 'm-1', sizeGiB: 40, snapshotIds: [], tags: {}, progress: 0 });
});

test('a price that is not told is no price of nothing', async () => {
  const SpotPriceType = [{ ZoneId: 'cn-hangzhou-k', Timestamp: '2026-11-01T00:00:00Z' }];
  const cloud = new EcsCloud(answering({ SpotPrices: { SpotPriceType } }), 'cn-hangzhou');
  expect(await cloud.spotPrices('ecs.c7.large', 0)).toEqual([]);
});
