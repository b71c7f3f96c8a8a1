import { ErrorResourceInitFailed } from '@pulumi/pulumi/proto/provider_pb';
import { Status } from '@pulumi/pulumi/proto/status_pb';
import type * as grpc from '@grpc/grpc-js';
import { describeWithFixtures, fixture } from '../../support/fixtures';
import { fromStruct, type Properties } from '../../../sandbox/provider/values';
import { ProviderUnderTest, refusal, ScriptedCloud, TestClock, type Reply, type SeenRequest } from './support';

const INSTANCE = 'alicloud:ecs/instance:Instance';
const GROUP = 'alicloud:ecs/securityGroup:SecurityGroup';
const KEY_PAIR = 'alicloud:ecs/keyPair:KeyPair';
const RULE = 'alicloud:ecs/securityGroupRule:SecurityGroupRule';

const instanceInputs: Properties = {
  instanceName: 'job-1',
  instanceType: 'ecs.c7.xlarge',
  imageId: 'image-1',
  instanceChargeType: 'PostPaid',
  securityGroups: ['sg-1'],
  vswitchId: 'vsw-1',
  spotStrategy: 'SpotAsPriceGo',
  spotDuration: 0,
};

let cloud: ScriptedCloud;
let provider: ProviderUnderTest;
let clock: TestClock;

beforeAll(async () => {
  cloud = new ScriptedCloud();
  await cloud.start();
});

afterAll(() => cloud.stop());

beforeEach(async () => {
  clock = new TestClock();
  provider = new ProviderUnderTest();
  await provider.start(cloud.env, clock);
  await provider.configure();
  cloud.requests.length = 0;
});

afterEach(() => provider.stop());

function answer(replies: Readonly<Record<string, Reply | ((request: SeenRequest) => Reply)>>): void {
  cloud.reply = (request) => {
    const reply = replies[request.action];
    if (reply === undefined) return { body: {} };
    return typeof reply === 'function' ? reply(request) : reply;
  };
}

function times(action: string): number {
  return cloud.requests.filter((request) => request.action === action).length;
}

function running(status: string): Reply {
  return { body: { Instances: { Instance: [{ InstanceId: 'i-1', Status: status, VpcAttributes: {} }] } } };
}

const accepted: Reply = { body: { InstanceIdSets: { InstanceIdSet: ['i-1'] } } };
const nothing: Reply = { body: { Instances: { Instance: [] } } };

async function failure(work: Promise<unknown>): Promise<grpc.ServiceError> {
  return work.then(
    () => {
      throw new Error('expected a failure');
    },
    (error: grpc.ServiceError) => error,
  );
}

describe('a refused RunInstances', () => {
  test.each([
    'OperationDenied.NoStock',
    'QuotaExceed.ElasticQuota',
    'InvalidAccountStatus.NotEnoughBalance',
    'InvalidSpotPriceLimit.LowerThanPublicPrice',
  ])('%s fails at once, without a second try', async (code) => {
    answer({ RunInstances: refusal(code) });
    const error = await failure(provider.create(INSTANCE, instanceInputs));
    expect(error.details).toContain(`Code: ${code}`);
    expect(times('RunInstances')).toBe(1);
    expect(clock.slept).toEqual([]);
  });

  test.each([
    ['Throttling.User', 400],
    ['ServiceUnavailable', 503],
    ['InternalError', 500],
  ])('%s is tried again with the same token, and succeeds', async (code, status) => {
    let calls = 0;
    answer({
      RunInstances: () => ((calls += 1) <= 2 ? refusal(code, 'later', status) : accepted),
      DescribeInstances: running('Running'),
    });
    await expect(provider.create(INSTANCE, instanceInputs)).resolves.toMatchObject({ id: 'i-1' });
    const tokens = cloud.requests
      .filter(({ action }) => action === 'RunInstances')
      .map(({ params }) => params['ClientToken']);
    expect(tokens).toHaveLength(3);
    expect(new Set(tokens).size).toBe(1);
  });

  test('throttling that does not end is given up after the ten minutes of the real provider', async () => {
    answer({ RunInstances: refusal('Throttling') });
    const error = await failure(provider.create(INSTANCE, instanceInputs));
    expect(error.details).toContain('Code: Throttling');
    expect(clock.now()).toBeGreaterThan(580_000);
    expect(clock.now()).toBeLessThanOrEqual(600_000);
  });

  test('throttling is given up after the time that the program set', async () => {
    answer({ RunInstances: refusal('Throttling') });
    await failure(provider.create(INSTANCE, instanceInputs, { timeoutSeconds: 60 }));
    expect(clock.now()).toBeLessThanOrEqual(60_000);
  });

  test('a connection that breaks is tried again', async () => {
    let calls = 0;
    answer({
      RunInstances: () => ((calls += 1) === 1 ? 'hang up' : accepted),
      DescribeInstances: running('Running'),
    });
    await expect(provider.create(INSTANCE, instanceInputs)).resolves.toMatchObject({ id: 'i-1' });
    expect(times('RunInstances')).toBe(2);
  });
});

describeWithFixtures('the error of a refused RunInstances', 'pulumi', () => {
  test.each([
    'OperationDenied.NoStock',
    'QuotaExceed.ElasticQuota',
    'InvalidAccountStatus.NotEnoughBalance',
    'InvalidSpotPriceLimit.LowerThanPublicPrice',
  ])('%s reads as recorded', async (code) => {
    const events = fixture(`pulumi/up-fails-${code}.events.jsonl`)
      .split('\n')
      .filter((line) => line.includes('SDKError'));
    const { diagnosticEvent } = JSON.parse(events[0]!) as { diagnosticEvent: { message: string } };
    const data = /Data: (.*)\n/.exec(diagnosticEvent.message)![1]!;
    answer({
      RunInstances: { status: Number(/StatusCode: (\d+)/.exec(diagnosticEvent.message)![1]), body: JSON.parse(data) },
    });
    const error = await failure(provider.create(INSTANCE, instanceInputs));
    expect(error.code).toBe(2);
    // The engine takes the colours away and ends the message with a line of its own.

    expect(`${error.details.replace(/\u001b\[\d+m/g, '')}\n`).toBe(diagnosticEvent.message);
  });
});

describe('an instance that was accepted', () => {
  test('is asked for after 10 s, then 3, 6 and at most 10 s apart', async () => {
    const states = ['Pending', 'Starting', 'Starting', 'Starting', 'Running'];
    answer({ RunInstances: accepted, DescribeInstances: () => running(states.shift() ?? 'Running') });
    await provider.create(INSTANCE, instanceInputs);
    expect(clock.slept).toEqual([10_000, 3_000, 6_000, 10_000, 10_000]);
  });

  test('and vanishes while Pending is looked for during 199 s; the state knows its id', async () => {
    answer({ RunInstances: accepted, DescribeInstances: nothing });
    const error = await failure(provider.create(INSTANCE, instanceInputs));
    expect(clock.now()).toBe(199_000);
    expect(error.details).toContain("couldn't find resource (21 retries)");
    const detail = initFailure(error);
    expect(detail.getId()).toBe('i-1');
    expect(fromStruct(detail.getProperties())).toMatchObject({ instanceName: 'job-1', id: 'i-1' });
    expect(detail.getReasonsList()).toEqual([error.details]);
  });

  test('and comes to a state that was not expected fails, and the state knows its id', async () => {
    answer({ RunInstances: accepted, DescribeInstances: running('Stopping') });
    const error = await failure(provider.create(INSTANCE, instanceInputs));
    expect(error.details).toContain("unexpected state 'Stopping', wanted target 'Running'");
    expect(initFailure(error).getId()).toBe('i-1');
  });

  test('that never runs is given up after the time that the program set', async () => {
    answer({ RunInstances: accepted, DescribeInstances: running('Pending') });
    const error = await failure(provider.create(INSTANCE, instanceInputs, { timeoutSeconds: 300 }));
    expect(error.details).toContain(
      "timeout while waiting for state to become 'Running' (last state: 'Pending', timeout: 5m0s)",
    );
    expect(clock.now()).toBeLessThanOrEqual(300_000);
  });
});

describe('deleting', () => {
  test('a group with an instance in it is tried again for ten minutes', async () => {
    answer({
      DeleteSecurityGroup: refusal(
        'DependencyViolation',
        'There is still instance(s) in the specified security group.',
      ),
    });
    const error = await failure(provider.delete(GROUP, 'sg-1', {}));
    expect(error.details).toMatch(
      /^deleting urn:pulumi:.*SecurityGroup::job: .*resource_alicloud_security_group.go:376: Resource sg-1 DeleteSecurityGroup Failed!!!/,
    );
    expect(error.details).toContain('Code: DependencyViolation');
    expect(clock.now()).toBeGreaterThan(580_000);
  });

  test('a group with an instance in it succeeds once the instance is gone', async () => {
    let calls = 0;
    answer({ DeleteSecurityGroup: () => ((calls += 1) < 3 ? refusal('DependencyViolation') : { body: {} }) });
    await provider.delete(GROUP, 'sg-1', {});
    expect(times('DeleteSecurityGroup')).toBe(3);
  });

  test('a group is given up after the time that the program set', async () => {
    answer({ DeleteSecurityGroup: refusal('DependencyViolation') });
    await failure(provider.delete(GROUP, 'sg-1', {}, 180));
    expect(clock.now()).toBeLessThanOrEqual(180_000);
  });

  test.each([
    [INSTANCE, 'i-1', {}, { DeleteInstance: refusal('InvalidInstanceId.NotFound', 'gone', 404) }],
    [GROUP, 'sg-1', {}, { DeleteSecurityGroup: refusal('InvalidSecurityGroupId.NotFound', 'gone', 404) }],
    [KEY_PAIR, 'job-1', {}, { DeleteKeyPairs: refusal('InvalidKeyPair.NotFound', 'gone', 404) }],
    [
      RULE,
      'sg-1:ingress:tcp:22/22:intranet:10.0.0.1/32:accept:1',
      { securityGroupId: 'sg-1', type: 'ingress' },
      { DescribeSecurityGroupAttribute: refusal('InvalidSecurityGroupId.NotFound', 'gone', 404) },
    ],
  ])('a %s that is gone already is no failure', async (type, id, properties, replies) => {
    answer(replies);
    await expect(provider.delete(type, id, properties)).resolves.toBeDefined();
  });

  test('an instance waits until the cloud has forgotten it', async () => {
    const states = [running('Stopping'), running('Stopping'), nothing];
    answer({ DescribeInstances: () => states.shift() ?? nothing });
    await provider.delete(INSTANCE, 'i-1', {});
    expect(clock.slept).toEqual([10_000, 3_000, 6_000]);
  });

  test('an instance that still initializes is tried again', async () => {
    let calls = 0;
    answer({
      DeleteInstance: () => ((calls += 1) === 1 ? refusal('IncorrectInstanceStatus.Initializing') : { body: {} }),
      DescribeInstances: nothing,
    });
    await provider.delete(INSTANCE, 'i-1', {});
    expect(times('DeleteInstance')).toBe(2);
  });
});

describe('reading', () => {
  test.each([
    [INSTANCE, 'i-1', { DescribeInstances: nothing }],
    [GROUP, 'sg-1', { DescribeSecurityGroups: { body: { SecurityGroups: { SecurityGroup: [] } } } }],
    [KEY_PAIR, 'job-1', { DescribeKeyPairs: { body: { KeyPairs: { KeyPair: [] } } } }],
    [
      RULE,
      'sg-1:ingress:tcp:22/22:intranet:10.0.0.1/32:accept:1',
      { DescribeSecurityGroupAttribute: { body: { Permissions: { Permission: [] } } } },
    ],
  ])('a %s that is gone answers an empty id', async (type, id, replies) => {
    answer(replies as Record<string, Reply>);
    await expect(provider.read(type, id, {}, {})).resolves.toMatchObject({ id: '' });
  });
});

function initFailure(error: grpc.ServiceError): ErrorResourceInitFailed {
  const bytes = error.metadata.get('grpc-status-details-bin')[0] as Buffer;
  const any = Status.deserializeBinary(bytes).getDetailsList()[0]!;
  expect(any.getTypeUrl()).toBe('type.googleapis.com/pulumirpc.ErrorResourceInitFailed');
  return ErrorResourceInitFailed.deserializeBinary(any.getValue_asU8());
}
