import { readFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { TestCloud } from './support';

let cloud: TestCloud;
beforeAll(async () => (cloud = await TestCloud.start()));
afterAll(() => cloud.stop());
afterEach(() => cloud.control.clearFaults());

/** Status of a GET over TLS that trusts the sandbox's CA only. */
function overTls(servername: string): Promise<number | undefined> {
  const [host, port] = cloud.info.endpoint.split(':');
  return new Promise((resolve, reject) => {
    const options = {
      host,
      port,
      servername,
      ca: readFileSync(cloud.info.caFile),
      headers: { host: servername },
      agent: false,
    };
    https.get(options, (response) => resolve(response.resume().statusCode)).on('error', reject);
  });
}

describe('the endpoint', () => {
  test.each(['127.0.0.1', 'localhost', 'ecs.cn-hangzhou.aliyuncs.com', 'sts.aliyuncs.com'])(
    'speaks TLS on the port of HTTP, as %s, with a certificate of the sandbox’s CA',
    async (name) => {
      expect(await overTls(name === '127.0.0.1' ? '' : name)).toBe(400);
      expect((await fetch(`http://${cloud.info.endpoint}/`)).status).toBe(400);
    },
  );

  test('is no other host', async () => {
    await expect(overTls('ecs.example.com')).rejects.toThrow(/altnames/);
  });

  test('survives connections that say nothing or nonsense', async () => {
    const [host, port] = cloud.info.endpoint.split(':');
    const say = (bytes: Buffer | undefined): Promise<void> =>
      new Promise((resolve) => {
        const socket = net.connect(Number(port), host, () => (bytes ? socket.end(bytes) : socket.destroy()));
        socket
          .on('close', () => resolve())
          .on('error', () => undefined)
          .resume();
      });
    await Promise.all([
      say(undefined),
      say(Buffer.from([0x16, 3, 1, 255, 255])),
      say(Buffer.from('\0\0\0')),
      say(Buffer.alloc(0)),
    ]);
    expect(await cloud.code('DescribeRegions')).toBe('no error');
  });

  test.each(['__proto__', 'constructor.prototype.x', 'Tag.__proto__.Key', 'Tag.1.2.3', 'Tag.99999999.Key', '.', 'Tag'])(
    'answers a parameter named %s as any other that it does not know',
    async (name) => expect((await cloud.call('DescribeInstances', { [name]: 'x' })).status).toBeLessThan(500),
  );
});

describe('a fault', () => {
  const throttled = { status: 400, code: 'Throttling.User', message: 'Request was denied due to user flow control.' };

  test('meets the calls that it names, as often as it says', async () => {
    await cloud.control.inject({ action: 'DescribeDisks', match: { DiskType: 'system' }, error: throttled, times: 2 });
    const codes = [];
    for (const type of ['data', 'system', 'system', 'system'])
      codes.push(await cloud.code('DescribeDisks', { DiskType: type }));
    expect(codes).toEqual(['no error', 'Throttling.User', 'Throttling.User', 'no error']);
  });

  test('of every action is met until it is cleared', async () => {
    await cloud.control.inject({ action: '*', error: throttled });
    expect(await cloud.code('DescribeDisks')).toBe('Throttling.User');
    expect(await cloud.code('DescribeZones')).toBe('Throttling.User');
    await cloud.control.clearFaults();
    expect(await cloud.code('DescribeDisks')).toBe('no error');
  });

  test('with a probability is drawn from the seeded generator', async () => {
    await cloud.control.inject({ action: 'DescribeZones', error: throttled, probability: 0.5 });
    let met = 0;
    for (let call = 0; call < 60; call++) if ((await cloud.code('DescribeZones')) !== 'no error') met++;
    expect(met).toBeGreaterThan(10);
    expect(met).toBeLessThan(50);
  });

  test('cuts the connection before or after the action took effect', async () => {
    const groups = async (): Promise<number> => (await cloud.control.leftovers()).securityGroupIds.length;
    const before = await groups();
    await cloud.control.inject({ action: 'CreateSecurityGroup', dropConnection: 'before', times: 1 });
    await expect(cloud.securityGroup()).rejects.toThrow('fetch failed');
    expect(await groups()).toBe(before);
    await cloud.control.inject({ action: 'CreateSecurityGroup', dropConnection: 'after', times: 1 });
    await expect(cloud.securityGroup()).rejects.toThrow('fetch failed');
    expect(await groups()).toBe(before + 1);
  });

  test('delays the answer', async () => {
    await cloud.control.inject({ action: 'DescribeZones', delayMs: 5000, times: 1 });
    const waiting = cloud.clock.waiting;
    let answered = false;
    const call = cloud.ok('DescribeZones').then(() => (answered = true));
    while (cloud.clock.waiting === waiting) await new Promise(setImmediate);
    await cloud.ok('DescribeRegions');
    expect(answered).toBe(false);
    cloud.clock.advance(5000);
    await call;
  });
});

describe('the control API', () => {
  test.each<[string, unknown, RegExp]>([
    ['interrupt', ['i-none', 1000], /no instance i-none/],
    ['setDelays', [{ pendingMs: -1 }], /setDelays: .*>=0/s],
    ['setDelays', [{ sleepMs: 1 }], /sleepMs/],
    ['setPool', [{ zoneId: 'cn-nowhere' }, { stock: 'WithStock' }], /no pool with zone cn-nowhere and type any/],
    ['inject', ['everything'], /inject/],
  ])('%s says what is wrong with %j', async (method, args, message) => {
    const response = await fetch(`http://${cloud.info.endpoint}/-/control/${method}`, {
      method: 'POST',
      body: JSON.stringify(args),
    });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: string }).error).toMatch(message);
  });

  test('has no other methods', async () => {
    for (const method of ['nothing', 'constructor', 'handle', '__proto__']) {
      expect(
        (await fetch(`http://${cloud.info.endpoint}/-/control/${method}`, { method: 'POST', body: '[]' })).status,
      ).toBe(404);
    }
  });
});

describe('the metadata service', () => {
  const url = (instanceId: string, path: string): string =>
    `http://${cloud.info.endpoint}/-/metadata/${instanceId}/latest/${path}`;
  const get = async (instanceId: string, path: string, token?: string) => {
    const response = await fetch(
      url(instanceId, path),
      token === undefined ? {} : { headers: { 'X-aliyun-ecs-metadata-token': token } },
    );
    return response.ok ? response.text() : response.status;
  };
  const tokenOf = async (instanceId: string, seconds = '60') =>
    fetch(url(instanceId, 'api/token'), {
      method: 'PUT',
      headers: { 'X-aliyun-ecs-metadata-token-ttl-seconds': seconds },
    });

  test('tells an instance about itself, and holds no credentials', async () => {
    const id = await cloud.launchRunning({ UserData: Buffer.from('hello').toString('base64') });
    expect(await get(id, 'meta-data/instance-id')).toBe(id);
    expect(await get(id, 'meta-data/zone-id')).toBe('cn-hangzhou-k');
    expect(await get(id, 'user-data')).toBe('hello');
    expect(await get(id, 'meta-data/ram/security-credentials/')).toBe(404);
    expect(await get('i-none', 'meta-data/instance-id')).toBe(404);
  });

  test('asks for a token first in hardened mode, and the token ends', async () => {
    const id = await cloud.launchRunning({ HttpTokens: 'required' });
    expect(await get(id, 'meta-data/instance-id')).toBe(403);
    const token = await (await tokenOf(id)).text();
    expect(await get(id, 'meta-data/instance-id', token)).toBe(id);
    expect(await get(id, 'meta-data/instance-id', 'made-up')).toBe(403);
    const other = await cloud.launchRunning({ HttpTokens: 'required' });
    expect(await get(other, 'meta-data/instance-id', token)).toBe(403);
    cloud.clock.advance(61_000);
    expect(await get(id, 'meta-data/instance-id', token)).toBe(403);
    expect((await tokenOf(id, 'long')).status).toBe(400);
  });

  test('can be switched off', async () => {
    const id = await cloud.launchRunning();
    await cloud.ok('ModifyInstanceMetadataOptions', { InstanceId: id, HttpEndpoint: 'disabled' });
    expect(await get(id, 'meta-data/instance-id')).toBe(404);
  });
});
