/**
 * What was believed of the cloud and turned out wrong: each belief is switched back here, and the
 * simulated cloud answers as the real one would; beside it stands what the product does now. Others
 * have a file of their own: a region of 775 types (test/src/placement/region), no way to the
 * internet (way-out), OSS from within the region (test/stacks/foundation), downloads
 * (test/deploy/downloads).
 */
import { createAccount } from '../../../src/cloud/account';
import type { EcsCloud } from '../../../src/cloud/client';
import { isForbidden } from '../../../src/cloud/errors';
import { indexed } from '../../../src/cloud/params';
import type { Rpc } from '../../../src/cloud/rpc';
import { httpTokensOf } from '../../../src/prepare/stack-args';
import { generateHostKeyPair, generateLoginKeyPair } from '../../../src/ssh';
import { clientOf } from '../../support/cloud-client';
import { testProfile } from '../../support/profile';
import { TestCloud, VPC } from '../../sandbox/cloud/support';

let simulated: TestCloud;
let rpc: Rpc;
let cloud: EcsCloud;

beforeAll(async () => {
  simulated = await TestCloud.start();
  ({ rpc, cloud } = clientOf(simulated));
});
afterAll(() => simulated.stop());

const imported = (KeyPairName: string, PublicKeyBody: string): Promise<string> =>
  simulated.code('ImportKeyPair', { KeyPairName, PublicKeyBody });

test('ed25519 is no key for ImportKeyPair; the RSA key of a job is', async () => {
  expect(await imported('job-1', generateHostKeyPair('job-1').publicKey)).toBe('InvalidPublicKeyBody.Malformed');
  expect(await imported('job-2', (await generateLoginKeyPair('job-2')).publicKey)).toBe('no error');
});

describe('hardened-only metadata', () => {
  const OLD = 'debian_12_x64_20G_alibase.vhd';

  async function bootedWith(HttpTokens: string) {
    const KeyPairName = `boot-${HttpTokens}`;
    await imported(KeyPairName, (await generateLoginKeyPair('')).publicKey);
    const UserData = Buffer.from('#cloud-config\n').toString('base64');
    const id = await simulated.launchRunning({ ImageId: OLD, KeyPairName, UserData, HttpTokens });
    await new Promise(setImmediate);
    return simulated.machines.started.find((one) => one.instanceId === id)!;
  }

  test('takes user data and keys away from an image that can’t ask for tokens', async () => {
    expect(await bootedWith('required')).toMatchObject({ authorizedKeys: [], userData: '' });
    expect(await bootedWith('optional')).toMatchObject({
      authorizedKeys: [expect.stringMatching(/^ssh-rsa /)],
      userData: '#cloud-config\n',
    });
  });

  test('is wanted where the image says that it can, and left alone where it says nothing', async () => {
    const profile = testProfile();
    const old = await cloud.resolveImage(OLD);
    const new24 = await cloud.resolveImage('ubuntu_24_04_x64_20G_alibase.vhd');
    expect([old!, new24!].map((image) => httpTokensOf(profile, image))).toEqual(['optional', 'required']);
    expect(httpTokensOf(profile, { imageId: 'm-1', imdsSupport: undefined })).toBe('optional');
    expect(httpTokensOf({ ...profile, metadata: 'hardened' }, old!)).toBe('required');
    expect(httpTokensOf({ ...profile, metadata: 'optional' }, new24!)).toBe('optional');
  });
});

test('more than ten types in a call are refused; asked in tens they are told', async () => {
  const sold = await cloud.instanceTypes({ vcpu: 4, memoryGiB: 8, architecture: 'x86_64', gpus: 0 });
  const types = sold.slice(0, 12).map((one) => one.name);
  await expect(rpc.call('ecs', 'DescribeSpotAdvice', indexed('InstanceTypes', types))).rejects.toMatchObject({
    code: 'InvalidParameter',
  });
  expect(new Set((await cloud.spotAdvice(types)).map((one) => one.instanceType)).size).toBeGreaterThan(10);
});

test('an image that another account shares under our name is not taken, except by its id', async () => {
  const { Images } = await simulated.ok('DescribeImages', { ImageName: 'gitlab-spot-java23' });
  const [newest, ours] = Images.Image;
  expect([newest.ImageOwnerAlias, ours.ImageOwnerAlias]).toEqual(['others', 'self']);
  expect((await cloud.resolveImage('gitlab-spot-java23'))?.imageId).toBe(ours.ImageId);
  expect((await cloud.resolveImage(newest.ImageId))?.imageId).toBe(newest.ImageId);
  // The API finds it by a part of its name; we don't.
  expect((await simulated.ok('DescribeImages', { ImageName: 'gitlab-spot' })).TotalCount).toBe(2);
  expect(await cloud.resolveImage('gitlab-spot')).toBeUndefined();
  expect(await cloud.resolveImage('debian_12_x64_20G_alibase.vhd')).toBeDefined();
});

test('security groups are counted for the region, not for each VPC', async () => {
  await simulated.control.setQuotas({ securityGroups: 3 });
  const { VpcId } = await simulated.ok('CreateVpc', { CidrBlock: '10.0.0.0/8' }, { version: VPC });
  const codes: string[] = [];
  for (let count = 0; count < 4; count++)
    codes.push(await simulated.code('CreateSecurityGroup', { VpcId: count % 2 ? VpcId : simulated.info.vpcId }));
  expect(codes.at(-1)).toBe('QuotaExceed.SecurityGroup');
  // What doctor holds against the quota: those of every VPC.
  expect((await createAccount(rpc).counts()).securityGroups).toBe(3);
  await simulated.control.setQuotas({ securityGroups: 100 });
});

test('what fits a disk is told only to who asks with its category', async () => {
  const asked = { DestinationResource: 'InstanceType', InstanceType: 'ecs.c7.xlarge', InstanceChargeType: 'PostPaid' };
  const zonesWith = async (disk: Record<string, string>): Promise<number> =>
    (await simulated.ok('DescribeAvailableResource', { ...asked, ...disk })).AvailableZones?.AvailableZone?.length ?? 0;
  expect(await zonesWith({})).toBeGreaterThan(0);
  expect(await zonesWith({ SystemDiskCategory: 'cloud_efficiency' })).toBe(0);
  const launch = await simulated.launchParameters({ 'SystemDisk.Category': 'cloud_efficiency' });
  expect(await simulated.code('RunInstances', launch)).toBe('InvalidSystemDiskCategory.ValueNotSupported');
  // Ours names the category, so such a pool is no candidate.
  expect(await cloud.stock('ecs.c7.xlarge', 'spot', 'cloud_efficiency')).toEqual([]);
  expect((await cloud.stock('ecs.c7.xlarge', 'spot', 'cloud_essd')).length).toBeGreaterThan(0);
});

test('prices are in the currency of the site, and a disk’s price is asked by itself', async () => {
  const disk = { category: 'cloud_essd', performanceLevel: 'PL0', sizeGiB: 40 };
  // With an instance, newer types want a disk that they take.
  const question = { ResourceType: 'instance', InstanceType: 'ecs.c8a.xlarge' };
  expect(await simulated.code('DescribePrice', question)).toBe('InvalidSystemDiskCategory.ValueNotSupported');
  expect(await cloud.diskPrice(disk)).toEqual({ yuanPerHour: 0.042, currency: 'CNY' });
  await simulated.control.setCurrency('USD');
  expect(await cloud.diskPrice(disk)).toMatchObject({ currency: 'USD' });
  expect((await cloud.spotPrices('ecs.c7.xlarge', 0))[0]).toMatchObject({ currency: 'USD' });
  await simulated.control.setCurrency('CNY');
});

test('throttling counts each action by itself, and lasts until the minute is over', async () => {
  simulated.clock.advance(60_000 - (simulated.clock.now() % 60_000));
  await simulated.control.setCallsPerMinute({ DescribeDisks: 2 });
  const codes = async (action: string, times: number): Promise<string[]> => {
    const all: string[] = [];
    for (let call = 0; call < times; call++) all.push(await simulated.code(action));
    return all;
  };
  expect(await codes('DescribeDisks', 3)).toEqual(['no error', 'no error', 'Throttling.User']);
  expect(await codes('DescribeInstances', 5)).toEqual(Array(5).fill('no error'));
  // Ours asks again until the next minute has come; half a minute of patience would be too little.
  let pausedMs = 0;
  const patient = clientOf(simulated, (ms) => {
    pausedMs += ms;
    simulated.clock.advance(ms);
    return Promise.resolve();
  });
  await patient.cloud.madeAt('i-none');
  expect(pausedMs).toBeGreaterThan(30_000);
  await simulated.control.setCallsPerMinute({});
});

test.each(['refuse', 'empty'] as const)(
  'a type that a region does not sell costs its own answer only (%s)',
  async (kind) => {
    await simulated.control.setUnknownTypes(kind);
    const none = await cloud.spotPrices('ecs.none.xlarge', 0).catch((error: { code?: string }) => error.code);
    expect(none).toEqual(kind === 'refuse' ? 'InvalidInstanceType.NotFound' : []);
    expect((await cloud.spotPrices('ecs.c7.xlarge', 0)).length).toBeGreaterThan(0);
  },
);

test('the account’s attributes tell no limit of key pairs', async () => {
  const asked = { 'AttributeName.1': 'max-key-pairs', 'AttributeName.2': 'max-security-groups' };
  const { AccountAttributeItems } = await simulated.ok('DescribeAccountAttributes', asked);
  const names = AccountAttributeItems.AccountAttributeItem.map((one: { AttributeName: string }) => one.AttributeName);
  expect(names).toEqual(['max-security-groups']);
});

test.each(['Forbidden.RAM', 'Forbbiden.SubUser', 'Forbedden.NotSupportRAM'])(
  '%s means that the credentials may not do it',
  async (code) => {
    const error = { status: 403, code, message: 'User not authorized.' };
    await simulated.control.inject({ action: 'DescribeVpcs', error, times: 1 });
    const refusal = await rpc.call('vpc', 'DescribeVpcs', {}).catch((reason: unknown) => reason);
    expect(isForbidden(refusal)).toBe(true);
  },
);

test('an image that instances use is not deleted', async () => {
  const ImageId = (await cloud.resolveImage('gitlab-spot-java23'))!.imageId;
  await simulated.control.setQuotas({ securityGroups: 100 });
  await simulated.launchRunning({ ImageId });
  expect(await simulated.call('DeleteImage', { ImageId })).toMatchObject({
    status: 403,
    body: { Code: 'ImageUsingByInstance' },
  });
});
