/**
 * NAT gateway, public address, their binding and the SNAT entry: what they ask of the cloud, in
 * which order, and what they answer.
 */
import { facts } from '../../support/facts';
import { ProviderUnderTest, ScriptedCloud, TestClock, type Reply, type SeenRequest } from './support';
import type { Properties } from '../../../sandbox/provider/values';

const expected =
  facts<Record<string, { action: string; query: string[]; form: string[] }[]>>('alicloud/way-out-requests');

const cloud = new ScriptedCloud();
const provider = new ProviderUnderTest();

/** The cloud, as far as these calls need one: what is there, by kind. */
let there: Record<'gateway' | 'address' | 'entry', boolean>;
let boundTo = '';

function reply({ action, params }: SeenRequest): Reply {
  switch (action) {
    case 'CreateNatGateway':
      there.gateway = true;
      return { body: { NatGatewayId: 'ngw-1', SnatTableIds: { SnatTableId: ['stb-1'] } } };
    case 'DescribeNatGateways':
      return { body: { NatGateways: { NatGateway: there.gateway ? [GATEWAY] : [] } } };
    case 'ListTagResources':
      return { body: { TagResources: { TagResource: [{ TagKey: 'a', TagValue: '1' }] } } };
    case 'AllocateEipAddress':
      there.address = true;
      return { body: { AllocationId: 'eip-1', EipAddress: '203.0.113.9' } };
    case 'DescribeEipAddresses':
      return { body: { EipAddresses: { EipAddress: there.address ? [{ ...ADDRESS, InstanceId: boundTo }] : [] } } };
    case 'AssociateEipAddress':
      boundTo = params['InstanceId']!;
      return { body: {} };
    case 'UnassociateEipAddress':
      boundTo = '';
      return { body: {} };
    case 'CreateSnatEntry':
      there.entry = true;
      return { body: { SnatEntryId: 'snat-1' } };
    case 'DescribeSnatTableEntries':
      return { body: { SnatTableEntries: { SnatTableEntry: there.entry ? [ENTRY] : [] } } };
    case 'DeleteSnatEntry':
      there.entry = false;
      return { body: {} };
    case 'ReleaseEipAddress':
      there.address = false;
      return { body: {} };
    case 'DeleteNatGateway':
      there.gateway = false;
      return { body: {} };
    case 'TagResources':
      return { body: {} };
    default:
      return { status: 404, body: { Code: `unexpected ${action}`, Message: 'x' } };
  }
}

const GATEWAY = {
  ...{ NatGatewayId: 'ngw-1', Status: 'Available', VpcId: 'vpc-1', NatType: 'Enhanced', Name: 'ours' },
  ...{ InstanceChargeType: 'PostPaid', InternetChargeType: 'PayByLcu', NatGatewayPrivateInfo: { VswitchId: 'vsw-1' } },
  ...{ SnatTableIds: { SnatTableId: ['stb-1'] }, ForwardTableIds: { ForwardTableId: ['ftb-1'] } },
};
const ADDRESS = {
  ...{ AllocationId: 'eip-1', Status: 'Available', IpAddress: '203.0.113.9', Bandwidth: '100', Name: 'ours' },
  ...{ InternetChargeType: 'PayByTraffic', ChargeType: 'PostPaid', InstanceType: 'Nat', Tags: { Tag: [] } },
};
const ENTRY = {
  ...{ SnatEntryId: 'snat-1', SnatTableId: 'stb-1', SnatIp: '203.0.113.9', Status: 'Available' },
  ...{ SourceVSwitchId: 'vsw-1', SourceCIDR: '10.86.0.0/21' },
};

beforeAll(async () => {
  await cloud.start();
  await provider.start(cloud.env, new TestClock());
  cloud.reply = reply;
});
afterAll(async () => {
  provider.stop();
  await cloud.stop();
});
beforeEach(async () => {
  there = { gateway: false, address: false, entry: false };
  boundTo = '';
  await provider.configure();
});

/** Parameters of every call. */
const COMMON = ['Action', 'Version', 'Format', 'SignatureMethod', 'SignatureType', 'SignatureVersion'];

function asked(): { action: string; query: string[]; form: string[] }[] {
  const own = (names: readonly string[]) => names.filter((name) => !COMMON.includes(name));
  return cloud.requests.splice(0).map(({ action, query, form }) => ({ action, query: own(query), form: own(form) }));
}

async function live(name: string, type: string, given: Properties) {
  const { inputs, failures } = await provider.check(type, given);
  expect(failures).toEqual({});
  cloud.requests.length = 0;
  const made = await provider.create(type, inputs);
  expect({ name, requests: asked() }).toEqual({ name, requests: expected[`create ${name}`] });
  const read = await provider.read(type, made.id, made.properties, inputs);
  expect(read.properties).toEqual(made.properties);
  expect((await provider.diff(type, made.properties, inputs, inputs)).changed).toBe(false);
  return {
    ...made,
    async end() {
      cloud.requests.length = 0;
      await provider.delete(type, made.id, made.properties);
      expect({ name, requests: asked() }).toEqual({ name, requests: expected[`delete ${name}`] });
    },
  };
}

test('a way out of the VPC is made and deleted by the calls of the real provider', async () => {
  const gateway = await live('gateway', 'alicloud:vpc/natGateway:NatGateway', {
    ...{ vpcId: 'vpc-1', vswitchId: 'vsw-1', natType: 'Enhanced', natGatewayName: 'ours', tags: { a: '1' } },
  });
  expect(gateway).toMatchObject({ id: 'ngw-1', properties: { snatTableIds: 'stb-1', paymentType: 'PayAsYouGo' } });
  const address = await live('address', 'alicloud:ecs/eipAddress:EipAddress', {
    ...{ addressName: 'ours', bandwidth: '100', internetChargeType: 'PayByTraffic' },
  });
  expect(address).toMatchObject({ id: 'eip-1', properties: { ipAddress: '203.0.113.9', allocationId: 'eip-1' } });
  const association = await live('association', 'alicloud:ecs/eipAssociation:EipAssociation', {
    ...{ allocationId: address.id, instanceId: gateway.id },
  });
  expect(association).toMatchObject({ id: 'eip-1:ngw-1', properties: { instanceType: 'Nat' } });
  const entry = await live('entry', 'alicloud:vpc/snatEntry:SnatEntry', {
    ...{ snatTableId: 'stb-1', snatIp: '203.0.113.9', sourceVswitchId: 'vsw-1' },
  });
  expect(entry).toMatchObject({ id: 'stb-1:snat-1', properties: { snatEntryId: 'snat-1', status: 'Available' } });
  for (const resource of [entry, association, address, gateway]) await resource.end();
});

test('a gateway that is gone is read as gone, and deleting it again is no error', async () => {
  const type = 'alicloud:vpc/natGateway:NatGateway';
  expect((await provider.read(type, 'ngw-1', {}, {})).id).toBe('');
  cloud.reply = () => ({ status: 404, body: { Code: 'InvalidNatGatewayId.NotFound', Message: 'gone' } });
  await provider.delete(type, 'ngw-1', {});
  cloud.reply = reply;
});
