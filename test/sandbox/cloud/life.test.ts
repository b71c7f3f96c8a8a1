import { TestCloud } from './support';

const HOUR_MS = 3600_000;

describe('an instance', () => {
  let cloud: TestCloud;
  beforeEach(async () => {
    cloud = await TestCloud.start({
      delays: { pendingMs: 1000, startingMs: 2000, bootMs: 500, stoppingMs: 3000 },
    });
  });
  afterEach(() => cloud.stop());

  const status = async (instanceId: string): Promise<string> => (await cloud.describe(instanceId))?.Status ?? 'gone';
  const running = async (change: Record<string, string> = {}): Promise<string> => {
    const instanceId = await cloud.launch(change);
    cloud.clock.advance(3500);
    return instanceId;
  };
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test('is Pending, Starting, Running, Stopping, gone, each for as long as the delays say', async () => {
    const instanceId = await cloud.launch();
    expect(await status(instanceId)).toBe('Pending');
    cloud.clock.advance(1000);
    expect(await status(instanceId)).toBe('Starting');
    cloud.clock.advance(1999);
    expect(await status(instanceId)).toBe('Starting');
    cloud.clock.advance(1);
    expect(await status(instanceId)).toBe('Running');
    await cloud.ok('DeleteInstance', { InstanceId: instanceId, Force: 'true' });
    expect(await status(instanceId)).toBe('Stopping');
    cloud.clock.advance(3000);
    expect(await status(instanceId)).toBe('gone');
  });

  test('gets its machine bootMs after it runs, with key, user data and address; and loses it on deletion', async () => {
    const line =
      'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7vbqajDw4o6gJy8UtmIbkcpnkO3Kwc4qsEnSZp/TR+fQi62F79RHWmwKOtFmwteURgLbj7D/WGuNLGOfa/2vse3G2eHnHl5CB8ruRX9fBl/KgwCVr2JaEuUm66bBQeP5XeBotdR4cvX38uPYivCDdPjJ1QWPdspTBKcxeFbccDw== job';
    await cloud.ok('ImportKeyPair', { KeyPairName: 'job-1', PublicKeyBody: line });
    const instanceId = await cloud.launch({
      KeyPairName: 'job-1',
      UserData: Buffer.from('#!/bin/sh\n').toString('base64'),
    });
    cloud.clock.advance(3499);
    expect(cloud.machines.started).toEqual([]);
    cloud.clock.advance(1);
    await settled();
    const address = (await cloud.describe(instanceId)).VpcAttributes.PrivateIpAddress.IpAddress[0];
    expect(cloud.machines.started).toEqual([
      expect.objectContaining({
        instanceId,
        address,
        authorizedKeys: [line],
        userData: '#!/bin/sh\n',
        sshPort: cloud.info.sshPort,
      }),
    ]);
    await cloud.ok('DeleteInstance', { InstanceId: instanceId, Force: 'true' });
    await settled();
    expect(cloud.machines.killed).toEqual([instanceId]);
  });

  test('that runs is deleted by force only, and one that is Pending not at all', async () => {
    const instanceId = await cloud.launch();
    expect(await cloud.code('DeleteInstance', { InstanceId: instanceId, Force: 'true' })).toBe(
      'IncorrectInstanceStatus.Initializing',
    );
    cloud.clock.advance(4000);
    expect(await cloud.code('DeleteInstance', { InstanceId: instanceId })).toBe('IncorrectInstanceStatus');
    expect(await cloud.code('DeleteInstance', { InstanceId: instanceId, Force: 'true' })).toBe('no error');
    cloud.clock.advance(4000);
    expect(await cloud.code('DeleteInstance', { InstanceId: instanceId, Force: 'true' })).toBe(
      'InvalidInstanceId.NotFound',
    );
  });

  test('under deletion protection stays', async () => {
    const instanceId = await running({ DeletionProtection: 'true' });
    expect(await cloud.code('DeleteInstance', { InstanceId: instanceId, Force: 'true' })).toBe(
      'InvalidOperation.DeletionProtection',
    );
  });

  test('is released at its AutoReleaseTime, whatever else happens', async () => {
    const at = new Date(cloud.clock.now() + HOUR_MS).toISOString().replace(/\.\d+/, '');
    const instanceId = await running({ AutoReleaseTime: at });
    cloud.clock.advance(HOUR_MS - 120_000);
    expect(await status(instanceId)).toBe('Running');
    cloud.clock.advance(120_000);
    expect(await status(instanceId)).toBe('gone');
  });

  test('can be given more time, or all the time', async () => {
    const at = (ms: number): string => new Date(cloud.clock.now() + ms).toISOString().replace(/\.\d+/, '');
    const instanceId = await running({ AutoReleaseTime: at(HOUR_MS) });
    await cloud.ok('ModifyInstanceAutoReleaseTime', { InstanceId: instanceId, AutoReleaseTime: at(2 * HOUR_MS) });
    cloud.clock.advance(1.5 * HOUR_MS);
    expect(await status(instanceId)).toBe('Running');
    await cloud.ok('ModifyInstanceAutoReleaseTime', { InstanceId: instanceId });
    cloud.clock.advance(10 * HOUR_MS);
    expect(await status(instanceId)).toBe('Running');
  });

  test('that the cloud takes back says so first, in the API and on the instance, and is gone after the notice', async () => {
    const instanceId = await running();
    const notice = `${cloud.info.endpoint}/-/metadata/${instanceId}/latest/meta-data/instance/spot/termination-time`;
    expect((await fetch(`http://${notice}`)).status).toBe(404);
    await cloud.control.interrupt(instanceId, 300_000);
    expect((await cloud.describe(instanceId)).OperationLocks.LockReason).toEqual([
      expect.objectContaining({ LockReason: 'Recycling' }),
    ]);
    const answer = await fetch(`http://${notice}`);
    expect(Date.parse(await answer.text())).toBeGreaterThan(cloud.clock.now() + 298_000);
    cloud.clock.advance(299_000);
    expect(await status(instanceId)).toBe('Running');
    cloud.clock.advance(1000 + 3000);
    expect(await status(instanceId)).toBe('gone');
  });

  test('of a late shortage is accepted and then disappears without ever running, and costs nothing', async () => {
    await cloud.control.inject({ action: 'RunInstances', vanishWhilePending: true, times: 1 });
    const instanceId = await cloud.launch();
    expect(await status(instanceId)).toBe('Pending');
    cloud.clock.advance(2000);
    expect(await status(instanceId)).toBe('gone');
    expect(cloud.machines.started).toEqual([]);
    expect(await cloud.control.bill()).toEqual([]);
  });

  test('whose machine can not be started or ended is logged, and the cloud goes on', async () => {
    const lines: string[] = [];
    const log = (line: string): void => void lines.push(line);
    const sick = (work: string) => () => Promise.reject(new Error(`no ${work}`));
    const starts = await TestCloud.start({ log, startMachine: sick('start') });
    const first = await starts.launchRunning();
    await settled();
    expect((await starts.describe(first)).Status).toBe('Running');
    await starts.stop();
    const endings = await TestCloud.start({
      log,
      startMachine: async (spec) => ({ ...(await cloud.machines.start(spec)), kill: sick('end') }),
    });
    const second = await endings.launchRunning();
    await endings.control.vanish(second);
    await settled();
    await endings.stop();
    expect(lines).toEqual([
      `machine of ${first} did not start: Error: no start`,
      `machine of ${second} did not end: Error: no end`,
    ]);
  });

  test('that vanishes is gone at once', async () => {
    const instanceId = await running();
    await cloud.control.vanish(instanceId);
    expect(await status(instanceId)).toBe('gone');
    await settled();
    expect(cloud.machines.killed).toEqual([instanceId]);
  });

  test('stops and starts again, and pays only while it runs', async () => {
    const instanceId = await running();
    cloud.clock.advance(60_000);
    await cloud.ok('StopInstance', { InstanceId: instanceId });
    cloud.clock.advance(3000);
    expect(await status(instanceId)).toBe('Stopped');
    cloud.clock.advance(HOUR_MS);
    await cloud.ok('StartInstance', { InstanceId: instanceId });
    cloud.clock.advance(2500);
    expect(await status(instanceId)).toBe('Running');
    const bill = await cloud.control.bill();
    expect(bill.map((line) => line.seconds)).toEqual([66, 1]);
  });

  test('costs price × seconds from its creation until it is gone', async () => {
    const instanceId = await cloud.launch();
    cloud.clock.advance(3000);
    cloud.clock.advance(8 * 60_000 - 3000);
    await cloud.ok('DeleteInstance', { InstanceId: instanceId, Force: 'true' });
    cloud.clock.advance(HOUR_MS);
    expect(await cloud.control.bill()).toEqual([
      expect.objectContaining({
        instanceId,
        seconds: 483,
        priceYuanPerHour: 0.155,
        yuan: 0.020796,
        to: expect.any(String),
      }),
    ]);
  });

  test('without a protected hour pays the market price of each moment; with one the first hour at that of its launch', async () => {
    const pool = { zoneId: 'cn-hangzhou-k', instanceType: 'ecs.c7.xlarge' };
    const follows = await cloud.launch({ SpotDuration: '0' });
    const keeps = await cloud.launch({ SpotDuration: '1' });
    cloud.clock.advance(HOUR_MS / 2);
    await cloud.control.setPool(pool, { spotYuanPerHour: 0.27 });
    cloud.clock.advance(HOUR_MS);
    const bill = new Map((await cloud.control.bill()).map((line) => [line.instanceId, line]));
    expect(bill.get(follows)).toMatchObject({ seconds: 5400, priceYuanPerHour: 0.155, yuan: 0.3475 });
    expect(bill.get(keeps)).toMatchObject({ seconds: 5400, priceYuanPerHour: 0.172, yuan: 0.322 });
  });
});

describe('a cloud that is started again in its folder', () => {
  let cloud: TestCloud;
  beforeEach(async () => {
    cloud = await TestCloud.start({ delays: { pendingMs: 1000, startingMs: 2000, bootMs: 500, stoppingMs: 3000 } });
  });
  afterEach(() => cloud.stop());

  test('has the same port, keys, resources and addresses, and gives running instances their machines back', async () => {
    const before = cloud.info;
    const instanceId = await cloud.launch();
    cloud.clock.advance(4000);
    const described = await cloud.describe(instanceId);
    await cloud.restart();
    expect(cloud.info).toEqual(before);
    expect(await cloud.describe(instanceId)).toEqual(described);
    expect(cloud.machines.started.map((spec) => spec.address)).toEqual(
      Array(2).fill(described.VpcAttributes.PrivateIpAddress.IpAddress[0]),
    );
  });

  test('does what came due while it was down', async () => {
    const instanceId = await cloud.launch();
    await cloud.cloud.close();
    cloud.clock.advance(1500);
    await cloud.restart();
    expect((await cloud.describe(instanceId)).Status).toBe('Starting');
  });

  test('remembers faults, quotas and access keys', async () => {
    const { secret } = await cloud.control.addAccessKey('reader', ['ecs:Describe*']);
    await cloud.control.inject({
      action: 'DescribeKeyPairs',
      error: { status: 503, code: 'ServiceUnavailable', message: 'later' },
    });
    await cloud.restart();
    expect(await cloud.code('DescribeKeyPairs', {}, { keyId: 'reader', secret })).toBe('ServiceUnavailable');
  });

  test('is refused with a sentence while the first one runs', async () => {
    await expect(TestCloud.start({ directory: cloud.directory })).rejects.toThrow(/is this sandbox running already\?/);
  });
});
