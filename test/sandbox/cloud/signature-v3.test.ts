import { createHash, createHmac, randomUUID } from 'node:crypto';
import { percentEncode } from '../../../sandbox/cloud/server/signature';
import { TestCloud } from './support';

let cloud: TestCloud;
beforeAll(async () => (cloud = await TestCloud.start()));
afterAll(() => cloud.stop());

interface Options {
  readonly secret?: string;
  readonly change?: (headers: Record<string, string>) => void;
  readonly body?: string;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A call as newer clients sign it: parameters in the query, all else in headers. */
async function call(action: string, parameters: Record<string, string> = {}, options: Options = {}) {
  const query = Object.entries({ RegionId: cloud.info.region, ...parameters })
    .map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
    .sort()
    .join('&');
  const headers: Record<string, string> = {
    host: cloud.info.endpoint,
    'x-acs-action': action,
    'x-acs-content-sha256': sha256(''),
    'x-acs-date': new Date(cloud.clock.now()).toISOString().replace(/\.\d+/, ''),
    'x-acs-signature-nonce': randomUUID(),
    'x-acs-version': '2014-05-26',
  };
  const names = Object.keys(headers).sort();
  const lines = names.map((name) => `${name}:${headers[name]}\n`).join('');
  const canonical = ['POST', '/', query, lines, names.join(';'), sha256('')].join('\n');
  const secret = options.secret ?? cloud.info.accessKeySecret;
  const signature = createHmac('sha256', secret)
    .update(`ACS3-HMAC-SHA256\n${sha256(canonical)}`)
    .digest('hex');
  headers.authorization = `ACS3-HMAC-SHA256 Credential=${cloud.info.accessKeyId},SignedHeaders=${names.join(';')},Signature=${signature}`;
  options.change?.(headers);
  const response = await fetch(`http://${cloud.info.endpoint}/?${query}`, {
    method: 'POST',
    headers,
    body: options.body ?? '',
  });
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the API's answers are as deep as they are
  return (await response.json()) as any;
}

test('a call with signature v3 is answered as any other', async () => {
  const made = await call('CreateSecurityGroup', {
    VpcId: cloud.info.vpcId,
    'Tag.1.Key': 'a b',
    'Tag.1.Value': '价+*',
  });
  const found = await call('DescribeSecurityGroups', { SecurityGroupId: made.SecurityGroupId });
  expect(found.SecurityGroups.SecurityGroup[0].Tags.Tag).toEqual([
    expect.objectContaining({ TagKey: 'a b', TagValue: '价+*' }),
  ]);
});

test.each<[string, string, Options]>([
  ['signed with another secret', 'SignatureDoesNotMatch', { secret: 'wrong' }],
  [
    'changed after signing',
    'SignatureDoesNotMatch',
    { change: (headers) => (headers['x-acs-action'] = 'DescribeZones') },
  ],
  ['with another body', 'InvalidParameter.ContentSha256', { body: 'PageSize=1' }],
  [
    'half signed',
    'IncompleteSignature',
    { change: (headers) => (headers.authorization = 'ACS3-HMAC-SHA256 Credential=x') },
  ],
  ['without a date', 'InvalidTimeStamp.Format', { change: (headers) => delete headers['x-acs-date'] }],
])('a call %s is refused: %s', async (_name, code, options) => {
  expect(await call('DescribeRegions', {}, options)).toMatchObject({ Code: code });
});

test('of an action that does not exist is refused', async () => {
  expect(await call('DescribeUnicorns')).toMatchObject({ Code: 'InvalidAction.NotFound' });
});
