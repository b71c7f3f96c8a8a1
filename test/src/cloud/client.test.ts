import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EcsCloud, type Patience } from '../../../src/cloud/client';
import { credentialsProvider, NoCredentials } from '../../../src/cloud/credentials';
import { CloudRefused, CloudUnreachable } from '../../../src/cloud/errors';
import { Rpc } from '../../../src/cloud/rpc';

type Answer = { readonly status?: number; readonly body: unknown } | 'drop' | 'silence';
type Params = Record<string, string>;

let server: Server;
let asked: Params[];
let pauses: number[];
let answer: (params: Params, call: number) => Answer;

beforeEach(async () => {
  asked = [];
  pauses = [];
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      const params = Object.fromEntries(new URLSearchParams(text));
      asked.push(params);
      const given = answer(params, asked.length);
      if (given === 'silence') return;
      if (given === 'drop') return void request.socket.destroy();
      response
        .writeHead(given.status ?? 200)
        .end(
          typeof given.body === 'string' ? given.body : JSON.stringify({ RequestId: 'R-1', ...(given.body as object) }),
        );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => new Promise<void>((resolve) => (server.closeAllConnections(), server.close(() => resolve()))));

function cloud(
  from = credentialsProvider({ credentials, ecsRoleName: undefined }),
  patience: Patience = { retryMs: 5_000 },
): EcsCloud {
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const rpc = new Rpc({
    environment: {},
    region: 'cn-hangzhou',
    endpoints: { ecs: endpoint, vpc: endpoint, ram: endpoint, sts: endpoint, cms: endpoint },
    credentials: from,
    ...patience,
    pause: (ms) => Promise.resolve(pauses.push(ms)),
  });
  return new EcsCloud(rpc, 'cn-hangzhou');
}

const credentials = { accessKeyId: 'id', accessKeySecret: 'secret', securityToken: undefined };

test('a role that the host does not have is told as that, and not asked for again', async () => {
  const missing = new NoCredentials("The credentials of the host's RAM role ci can't be had: 404");
  const role = { getCredentials: () => Promise.reject(missing) };
  await expect(cloud(role).vSwitches('vpc-1')).rejects.toBe(missing);
  expect(pauses).toEqual([]);
});

test('calls side by side ask once whom to trust: reading all authorities takes 35 ms of CPU', async () => {
  let asked = 0;
  const ecs = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const endpoints = { ecs, vpc: ecs, ram: ecs, sts: ecs, cms: ecs };
  const trust = () => void asked++ as undefined;
  const from = credentialsProvider({ credentials, ecsRoleName: undefined });
  const rpc = new Rpc({ environment: {}, region: 'cn-hangzhou', endpoints, credentials: from, trust });
  answer = () => ({ body: {} });
  await Promise.all(['i-1', 'i-2', 'i-3'].map((id) => rpc.call('ecs', 'TagResources', { 'ResourceId.1': id })));
  expect(asked).toBe(1);
});

const refusal = (code: string, status = 400): Answer => ({
  status,
  body: { Code: code, Message: 'No.', RequestId: 'R-1' },
});
const instances = (names: string[], total = names.length): Answer => ({
  body: {
    TotalCount: total,
    Instances: {
      Instance: names.map((InstanceId) => ({
        InstanceId,
        Status: 'Running',
        InstanceType: 'ecs.c7.xlarge',
        ZoneId: 'z',
        VpcAttributes: { PrivateIpAddress: { IpAddress: ['10.0.0.9'] } },
        PublicIpAddress: { IpAddress: [] },
        Tags: { Tag: [{ TagKey: 'a', TagValue: 'b' }] },
        CreationTime: '2026-11-24T12:00Z',
        SpotStrategy: 'SpotAsPriceGo',
        SpotDuration: 1,
        OperationLocks: { LockReason: [{ LockReason: 'Recycling' }] },
      })),
    },
  },
});

describe('the cloud', () => {
  test('is asked with a signed request, by tag', async () => {
    answer = () => instances(['i-1']);
    expect(await cloud().findInstances({ 'gitlab-spot/stack': 'job-1' })).toEqual([
      {
        instanceId: 'i-1',
        status: 'Running',
        instanceType: 'ecs.c7.xlarge',
        zoneId: 'z',
        privateAddress: '10.0.0.9',
        publicAddress: undefined,
        tags: { a: 'b' },
        createdAt: '2026-11-24T12:00Z',
        market: 'spot',
        durationHours: 1,
        autoReleaseTime: undefined,
        recycling: true,
      },
    ]);
    expect(asked[0]).toMatchObject({
      Action: 'DescribeInstances',
      RegionId: 'cn-hangzhou',
      AccessKeyId: 'id',
      'Tag.1.Key': 'gitlab-spot/stack',
      'Tag.1.Value': 'job-1',
    });
    expect(asked[0]!.Signature).toBeTruthy();
  });

  test('hands over every page', async () => {
    answer = ({ PageNumber }) => instances(PageNumber === '1' ? ['i-1', 'i-2'] : ['i-3'], 3);
    expect((await cloud().findInstances({})).map(({ instanceId }) => instanceId)).toEqual(['i-1', 'i-2', 'i-3']);
  });

  test('that never ends its pages holds nobody', async () => {
    answer = () => instances(['i-1'], 1e9);
    expect((await cloud().findInstances({})).length).toBeLessThan(1_000);
  });

  test('has no address of an instance whose address is empty: SSH would take it for this host', async () => {
    const empty = { IpAddress: [''] };
    const one = { InstanceId: 'i-1', Status: 'Pending', VpcAttributes: { PrivateIpAddress: empty } };
    const eip = { PublicIpAddress: empty, EipAddress: { IpAddress: '203.0.113.9' } };
    answer = () => ({ body: { TotalCount: 1, Instances: { Instance: [{ ...one, ...eip }] } } });
    const [found] = await cloud().findInstances({});
    expect(found).toMatchObject({ privateAddress: undefined, publicAddress: '203.0.113.9' });
  });

  test('that does not say how full a vSwitch is, or whether it sells a type, does not say no', async () => {
    answer = ({ Action }) => ({
      body:
        Action === 'DescribeVSwitches'
          ? { TotalCount: 1, VSwitches: { VSwitch: [{ VSwitchId: 'v', ZoneId: 'z', CidrBlock: '10.0.0.0/24' }] } }
          : {
              AvailableZones: {
                AvailableZone: [
                  {
                    ZoneId: 'z',
                    AvailableResources: {
                      AvailableResource: [{ SupportedResources: { SupportedResource: [{ Value: 'ecs.c7.large' }] } }],
                    },
                  },
                ],
              },
            },
    });
    expect(await cloud().vSwitches('vpc-1')).toMatchObject([{ freeAddresses: 252 }]);
    expect(await cloud().stock('ecs.c7.large', 'spot', 'cloud_essd')).toMatchObject([{ status: 'WithStock' }]);
  });

  test('knows nothing of an instance that is gone', async () => {
    answer = () => ({ body: { TotalCount: 0, Instances: { Instance: [] } } });
    expect(await cloud().describeInstance('i-1')).toBeUndefined();
  });

  // The last is of a snapshot whose image has just been deleted.
  test.each(['Throttling.User', 'ServiceUnavailable', 'InternalError', 'SnapshotCreatedImage'])(
    'is asked again after %s, later each time',
    async (code) => {
      answer = (_params, call) => (call < 4 ? refusal(code) : instances([]));
      await cloud().findInstances({});
      expect(pauses).toHaveLength(3);
      expect(pauses[2]).toBeGreaterThan(pauses[0]! / 2);
    },
  );

  test('is not asked for ever', async () => {
    answer = () => refusal('Throttling', 400);
    await expect(cloud().findInstances({})).rejects.toMatchObject({ code: 'Throttling', retryable: true });
    expect(pauses.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(7_000);
  });

  test('that does not answer has used up the time of all tries with the first, which is not cut short', async () => {
    answer = () => 'silence';
    const asking = cloud(undefined, { timeoutMs: 300, retryMs: 600 }).findInstances({});
    await expect(asking).rejects.toThrow('no answer in time');
    expect({ asked: asked.length, pauses }).toEqual({ asked: 1, pauses: [] });
  });

  test('that falls silent is given what is left of the time of all tries', async () => {
    answer = (_params, call) => (call === 1 ? refusal('ServiceUnavailable', 503) : 'silence');
    const begunMs = performance.now();
    const asking = cloud(undefined, { timeoutMs: 10_000, retryMs: 600 }).findInstances({});
    await expect(asking).rejects.toThrow('no answer in time');
    expect(asked).toHaveLength(2);
    expect(performance.now() - begunMs).toBeLessThan(8_000);
  });

  test.each([
    ['InvalidAccessKeyId.NotFound', /ALICLOUD_ACCESS_KEY/],
    ['SignatureDoesNotMatch', /ALICLOUD_SECRET_KEY/],
    ['Forbidden.RAM', /DescribeInstances.*ram-policy/],
    ['InvalidSecurityToken.Expired', /expired/],
  ])('that answers %s is asked once, and the remedy is named', async (code, remedy) => {
    answer = () => refusal(code, 403);
    const error = await cloud()
      .findInstances({})
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CloudRefused);
    expect(error).toMatchObject({ code, action: 'DescribeInstances', requestId: 'R-1', retryable: false });
    expect((error as CloudRefused).remedy).toMatch(remedy);
    expect((error as CloudRefused).message).not.toMatch(/secret|Signature=/);
    expect(asked).toHaveLength(1);
  });

  test.each([
    ['instance', 'InvalidInstanceId.NotFound', (one: EcsCloud) => one.deleteInstance('i-1')],
    ['security group', 'InvalidSecurityGroupId.NotFound', (one: EcsCloud) => one.deleteSecurityGroup('sg-1')],
    ['key pair', 'InvalidKeyPair.NotFound', (one: EcsCloud) => one.deleteKeyPair('k')],
  ])('lets a deleted %s be deleted again', async (_what, code, remove) => {
    answer = () => refusal(code, 404);
    await expect(remove(cloud())).resolves.toBeUndefined();
  });

  test.each<[string, RegExp, Answer]>([
    ['a cut connection', /could not be asked for DescribeInstances: \S/, 'drop'],
    ['a proxy’s page', /: the answer is not the API’s \(a proxy’s page\?\)/, { body: '<html>no</html>' }],
    ['a gateway’s page', /: the answer is not the API’s/, { status: 503, body: '<html>Unavailable</html>' }],
    ['a page of a login', /: the answer is not the API’s/, { status: 302, body: '<html>moved</html>' }],
  ])('behind %s is unreachable, in one sentence', async (_what, message, given) => {
    answer = () => given;
    const error = await cloud()
      .describeInstance('i-1')
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CloudUnreachable);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toMatch(/\n|Signature=/);
  });

  test('with an answer of another shape is unreachable too', async () => {
    answer = () => ({ body: { TotalCount: 1, Instances: { Instance: [{ nothing: true }] } } });
    await expect(cloud().findInstances({})).rejects.toBeInstanceOf(CloudUnreachable);
  });

  test('gives the newest spot price of each zone', async () => {
    const price = (ZoneId: string, SpotPrice: number, Timestamp: string) => ({
      ZoneId,
      SpotPrice,
      OriginPrice: 0.8,
      Timestamp,
    });
    answer = () => ({
      body: {
        SpotPrices: {
          SpotPriceType: [price('a', 0.2, '2026-01-02'), price('a', 0.1, '2026-01-01'), price('b', 0.3, '2026-01-01')],
        },
      },
    });
    expect(
      (await cloud().spotPrices('ecs.c7.xlarge', 0)).map(({ zoneId, spotYuanPerHour }) => [zoneId, spotYuanPerHour]),
    ).toEqual([
      ['a', 0.2],
      ['b', 0.3],
    ]);
  });

  test.each([0, 1] as const)('gives spot prices for that many protected hours (%d)', async (hours) => {
    answer = () => ({ body: { SpotPrices: { SpotPriceType: [] } } });
    await cloud().spotPrices('ecs.c7.xlarge', hours);
    expect(asked.at(-1)).toMatchObject({ Action: 'DescribeSpotPriceHistory', SpotDuration: String(hours) });
  });

  test('gives how a price went, from some hours before, in order, over all pages', async () => {
    const price = (SpotPrice: number, Timestamp: string, ZoneId = 'a') => ({
      ZoneId,
      SpotPrice,
      OriginPrice: 1,
      Timestamp,
    });
    answer = ({ Offset }) => ({
      body:
        Offset === undefined
          ? { NextOffset: 2, SpotPrices: { SpotPriceType: [price(0.3, '2026-11-24T11:30:00Z'), price(9, '', 'b')] } }
          : { NextOffset: 0, SpotPrices: { SpotPriceType: [price(0.2, '2026-11-24T11:00:00Z')] } },
    });
    const time = { from: new Date('2026-11-24T11:10:00.500Z'), to: new Date('2026-11-24T12:00:00.700Z') };
    expect(await cloud().spotPriceHistory({ instanceType: 'ecs.c7.xlarge', zoneId: 'a' }, 0, time)).toEqual([
      { at: '2026-11-24T11:00:00Z', yuanPerHour: 0.2 },
      { at: '2026-11-24T11:30:00Z', yuanPerHour: 0.3 },
    ]);
    expect(asked[0]).toMatchObject({
      ZoneId: 'a',
      SpotDuration: '0',
      StartTime: '2026-11-24T08:10:00Z',
      EndTime: '2026-11-24T12:00:00Z',
    });
  });

  test('leaves out of the history what has no price: nothing is sold for nothing', async () => {
    const prices = [
      { ZoneId: 'a', SpotPrice: 0.2, OriginPrice: 1, Timestamp: '2026-11-24T11:00:00Z' },
      { ZoneId: 'a', OriginPrice: 1, Timestamp: '2026-11-24T11:30:00Z' },
    ];
    answer = () => ({ body: { SpotPrices: { SpotPriceType: prices } } });
    const time = { from: new Date('2026-11-24T11:10:00Z'), to: new Date('2026-11-24T12:00:00Z') };
    expect(await cloud().spotPriceHistory({ instanceType: 'ecs.c7.xlarge', zoneId: 'a' }, 0, time)).toEqual([
      { at: '2026-11-24T11:00:00Z', yuanPerHour: 0.2 },
    ]);
  });

  test('finds an image by its name behind a page of names that contain it', async () => {
    const named = (ImageName: string, index: number) => ({ ImageId: `m-${index}`, ImageName });
    const all = [...Array.from({ length: 50 }, (_, index) => `ci-${index}`), 'ci'].map(named);
    answer = ({ ImageName, ImageOwnerAlias, PageNumber = '1', PageSize }) => {
      const found = ImageName !== undefined && ImageOwnerAlias === 'self' ? all : [];
      const from = (Number(PageNumber) - 1) * Number(PageSize);
      return { body: { TotalCount: found.length, Images: { Image: found.slice(from, from + Number(PageSize)) } } };
    };
    expect(await cloud().resolveImage('ci')).toMatchObject({ imageId: 'm-50' });
  });

  test('tells when an instance was made to the second, by its system disk', async () => {
    answer = () => ({ body: { Disks: { Disk: [{ CreationTime: '2026-11-24T11:10:07Z' }] } } });
    expect(await cloud().madeAt('i-1')).toBe('2026-11-24T11:10:07Z');
    expect(asked[0]).toMatchObject({ Action: 'DescribeDisks', InstanceId: 'i-1', DiskType: 'system' });
    answer = () => ({ body: { Disks: { Disk: [] } } });
    expect(await cloud().madeAt('i-1')).toBeUndefined();
  });
});
