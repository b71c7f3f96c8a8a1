/** Who reaches whom in a group that jobs share, and in groups of their own. */
import { TestCloud } from './support';

const EXECUTOR = '10.0.0.5';
const STRANGER = '10.0.0.6';

let cloud: TestCloud;
beforeEach(async () => (cloud = await TestCloud.start()));
afterEach(() => cloud.stop());

/** As stacks/foundation.ts and stacks/job.ts declare one. */
async function groupOfJobs(innerAccess = 'Drop'): Promise<string> {
  const SecurityGroupId = await cloud.securityGroup();
  await cloud.ok('ModifySecurityGroupPolicy', { SecurityGroupId, InnerAccessPolicy: innerAccess });
  const rule = { IpProtocol: 'tcp', PortRange: '22/22', SourceCidrIp: `${EXECUTOR}/32`, NicType: 'intranet' };
  await cloud.ok('AuthorizeSecurityGroup', { SecurityGroupId, ...rule });
  return SecurityGroupId;
}

const reach = (from: string, to: string, port = 22) => cloud.control.reaches(from, to, port);

test('two jobs of a shared group are reached by the executor alone, and don’t reach each other', async () => {
  const launch = { 'SecurityGroupIds.1': await groupOfJobs() };
  const [one, other] = [await cloud.launchRunning(launch), await cloud.launchRunning(launch)];
  expect([await reach(EXECUTOR, one), await reach(EXECUTOR, other)]).toEqual([true, true]);
  expect([await reach(one, other), await reach(other, one, 8080)]).toEqual([false, false]);
  expect([await reach(STRANGER, one), await reach(EXECUTOR, one, 8080)]).toEqual([false, false]);

  // The end of one takes nothing from the other.
  await cloud.ok('DeleteInstance', { InstanceId: one, Force: 'true' });
  cloud.clock.advance(1000);
  expect([await reach(EXECUTOR, one), await reach(EXECUTOR, other)]).toEqual([false, true]);
});

test('a rule that both jobs declare goes with the first of them: why a shared group’s rule is the foundation’s', async () => {
  const SecurityGroupId = await groupOfJobs();
  const other = await cloud.launchRunning({ 'SecurityGroupIds.1': SecurityGroupId });
  const rule = { IpProtocol: 'tcp', PortRange: '22/22', SourceCidrIp: `${EXECUTOR}/32`, NicType: 'intranet' };
  await cloud.ok('AuthorizeSecurityGroup', { SecurityGroupId, ...rule });
  await cloud.ok('RevokeSecurityGroup', { SecurityGroupId, ...rule });
  expect(await reach(EXECUTOR, other)).toBe(false);
});

test('where inner access is accepted, members reach each other; of groups of their own, nobody does', async () => {
  const open = { 'SecurityGroupIds.1': await groupOfJobs('Accept') };
  const [one, other] = [await cloud.launchRunning(open), await cloud.launchRunning(open)];
  expect(await reach(one, other, 8080)).toBe(true);
  const alone = await cloud.launchRunning({ 'SecurityGroupIds.1': await groupOfJobs() });
  expect([await reach(one, alone), await reach(alone, one)]).toEqual([false, false]);
});
