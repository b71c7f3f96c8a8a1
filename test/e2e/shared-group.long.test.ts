import { createRpc } from '../../src/cloud/client';
import { readSettings } from '../../src/settings/settings';
import { HookedJob } from '../support/hooked-job';
import { World } from '../support/world';

/**
 * Jobs in one security group that the foundation made: they don't reach each other, and the end of
 * one takes nothing from the other.
 */
let world: World;
let group: string;
jest.setTimeout(240_000);

beforeAll(async () => {
  world = await World.start();
  const settings = readSettings(world.environment());
  const rpc = createRpc(settings);
  const { vpcId } = settings.cloud;
  const made = await rpc.call('ecs', 'CreateSecurityGroup', { VpcId: vpcId, SecurityGroupName: 'gitlab-spot-jobs' });
  group = (made as { SecurityGroupId: string }).SecurityGroupId;
  const SecurityGroupId = group;
  await rpc.call('ecs', 'ModifySecurityGroupPolicy', { SecurityGroupId, InnerAccessPolicy: 'Drop' });
  const rule = { IpProtocol: 'tcp', PortRange: '22/22', SourceCidrIp: '127.0.0.1/32', NicType: 'intranet' };
  await rpc.call('ecs', 'AuthorizeSecurityGroup', { SecurityGroupId, ...rule });
});
afterAll(() => world.close());

test('two jobs share it, one ends, and the other goes on', async () => {
  const { control } = world.sandbox;
  const shared = { GITLAB_SPOT_SECURITY_GROUP_ID: group, GITLAB_SPOT_CLEANUP: 'wait' };
  const [one, other] = [new HookedJob(world, shared), new HookedJob(world, shared)];
  await Promise.all([one.prepare(), other.prepare()]);
  const [first, second] = [one.instanceId(), other.instanceId()];
  expect((await control.leftovers()).securityGroupIds).toEqual([group]);
  expect([await control.reaches(first, second, 22), await control.reaches(second, first, 22)]).toEqual([false, false]);
  expect(await control.reaches('127.0.0.1', second, 22)).toBe(true);

  await one.cleanUp();
  const left = await control.leftovers();
  expect(left.instances.map(({ instanceId }) => instanceId)).toEqual([second]);
  expect(left.securityGroupIds).toEqual([group]);
  expect(await control.reaches('127.0.0.1', second, 22)).toBe(true);
  const { code, stdout } = await other.run('echo still here').ended;
  expect({ code, text: stdout.toString() }).toMatchObject({
    code: 0,
    text: expect.stringContaining('still here') as string,
  });

  await other.cleanUp();
  const end = await control.leftovers();
  expect([end.instances, end.keyPairNames, end.securityGroupIds]).toEqual([[], [], [group]]);
});
