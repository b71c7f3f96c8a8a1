import fc from '../../support/property';
import { SERVICE_OF_VERSION } from '../../../sandbox/cloud/actions/action';
import { actionNames } from '../../../sandbox/cloud/actions/registry';
import { TestCloud } from './support';

let cloud: TestCloud;
beforeAll(async () => (cloud = await TestCloud.start()));
afterAll(() => cloud.stop());

const VERSIONS = Object.fromEntries(Object.entries(SERVICE_OF_VERSION).map(([version, service]) => [service, version]));

/** Names that actions look at, whole, numbered, or broken. */
const name = fc
  .tuple(
    fc.constantFrom(
      ...'InstanceId,InstanceIds,SecurityGroupId,SecurityGroupIds,VpcId,VSwitchId,KeyPairName,KeyPairNames,ImageId,InstanceType,ZoneId'.split(
        ',',
      ),
      ...'Tag,Permissions,SystemDisk,DataDisk,PageSize,PageNumber,MaxResults,NextToken,Amount,UserData,AutoReleaseTime'.split(
        ',',
      ),
      ...'ResourceType,ResourceId,ResourceNames,PolicyDocument,CidrBlock,PublicKeyBody,PortRange,IpProtocol,SourceCidrIp'.split(
        ',',
      ),
    ),
    fc.constantFrom('', '', '.1', '.2', '.1.Key', '.1.Value', '.Size', '.x.y', '.0', '.1.1', '.'),
  )
  .map((parts) => parts.join(''));

const value = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.integer().map(String),
  fc.json({ maxDepth: 2 }),
  fc.constantFrom(
    'true',
    '["a"]',
    '[1]',
    '10.0.0.0/8',
    '22/22',
    'instance',
    'tcp',
    'ecs.c7.xlarge',
    '*',
    '**a**',
    '../../x',
  ),
);

test('no parameters make an action fail in another way than with an error of the API', async () => {
  const actions = actionNames();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...actions),
      fc.dictionary(name, value, { maxKeys: 6 }),
      async (action, parameters) => {
        const [service = '', actionName = ''] = action.split(':');
        const { status, body } = await cloud.call(actionName, parameters, { version: VERSIONS[service] ?? '' });
        expect({ action, parameters, status, code: body.Code }).not.toMatchObject({ status: 500 });
        if (status !== 200) expect(body).toMatchObject({ Code: expect.any(String), Message: expect.any(String) });
      },
    ),
    { numRuns: 400 },
  );
});
