import { percentEncode, sign, stringToSign } from '../../../sandbox/cloud/server/signature';
import { STS, TestCloud, type CallOptions } from './support';

describe('signature v1', () => {
  test('is computed as the documented example has it', () => {
    const parameters = {
      Timestamp: '2016-02-23T12:46:24Z',
      Format: 'XML',
      AccessKeyId: 'testid',
      Action: 'DescribeRegions',
      SignatureMethod: 'HMAC-SHA1',
      SignatureNonce: '3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf',
      Version: '2014-05-26',
      SignatureVersion: '1.0',
    };
    expect(stringToSign('GET', parameters)).toBe(
      'GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format%3DXML%26SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3D' +
        '3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf%26SignatureVersion%3D1.0%26Timestamp%3D2016-02-23T12%253A46%253A24Z%26Version%3D2014-05-26',
    );
    expect(sign('GET', parameters, 'testsecret')).toBe('OLeaidS1JvxuMvnyHOwuJ+uX5qY=');
  });

  test.each([
    ['a space', 'a b', 'a%20b'],
    ['what encodeURIComponent leaves alone', "!'()*", '%21%27%28%29%2A'],
    ['what stays as it is', 'aZ09-_.~', 'aZ09-_.~'],
    ['text beyond ASCII', '价', '%E4%BB%B7'],
  ])('%s is encoded by RFC 3986', (_name, text, encoded) => expect(percentEncode(text)).toBe(encoded));
});

describe('a call', () => {
  let cloud: TestCloud;
  beforeAll(async () => (cloud = await TestCloud.start()));
  afterAll(() => cloud.stop());

  test.each<[string, CallOptions]>([
    ['with all in the query of a POST', {}],
    ['with its parameters in the form', { form: true }],
    ['by GET', { method: 'GET' }],
  ])('%s is accepted', async (_name, options) => {
    expect(await cloud.code('DescribeKeyPairs', { KeyPairName: 'a b*(é)~' }, options)).toBe('no error');
  });

  const change = (edit: (signed: Record<string, string>) => void): CallOptions => ({ change: edit });
  test.each<[string, number, string, CallOptions]>([
    ['with an unknown access key', 404, 'InvalidAccessKeyId.NotFound', { keyId: 'LTAInobody' }],
    ['signed with another secret', 400, 'SignatureDoesNotMatch', { secret: 'wrong' }],
    ['changed after signing', 400, 'SignatureDoesNotMatch', change((signed) => (signed.PageSize = '5'))],
    ['without a signature', 400, 'MissingParameter', change((signed) => delete signed.Signature)],
    ['without a nonce', 400, 'MissingParameter', change((signed) => delete signed.SignatureNonce)],
    ['without an action', 400, 'MissingParameter', change((signed) => delete signed.Action)],
    [
      'with a token that its key does not have',
      400,
      'InvalidSecurityToken.MismatchWithAccessKey',
      change((signed) => (signed.SecurityToken = 'x')),
    ],
    ['of a version that does not exist', 404, 'InvalidAction.NotFound', { version: '2000-01-01' }],
  ])('%s is refused: %i %s', async (_name, status, code, options) => {
    const answer = await cloud.call('DescribeKeyPairs', {}, options);
    expect(answer).toMatchObject({
      status,
      body: { Code: code, Message: expect.any(String), RequestId: expect.any(String), HostId: cloud.info.endpoint },
    });
  });

  test('of an action that does not exist is refused', async () => {
    expect(await cloud.call('DescribeUnicorns')).toMatchObject({
      status: 404,
      body: { Code: 'InvalidAction.NotFound' },
    });
  });

  test('says which string the server signed, so that a client can find its mistake', async () => {
    const { body } = await cloud.call('DescribeKeyPairs', {}, { secret: 'wrong' });
    expect(body.Message).toContain('server string to sign is:POST&%2F&AccessKeyId%3D');
  });

  test('made twice with one nonce is refused the second time', async () => {
    const nonce = { SignatureNonce: 'once-only' };
    expect(await cloud.code('DescribeKeyPairs', nonce)).toBe('no error');
    expect(await cloud.code('DescribeKeyPairs', nonce)).toBe('SignatureNonceUsed');
  });

  test.each([
    ['half an hour old', -30 * 60_000, 'InvalidTimeStamp.Expired'],
    ['half an hour ahead', 30 * 60_000, 'InvalidTimeStamp.Expired'],
    ['ten minutes old', -10 * 60_000, 'no error'],
  ])('with a timestamp %s: %s', async (_name, skewMs, code) => {
    const Timestamp = new Date(cloud.clock.now() + skewMs).toISOString().replace(/\.\d+/, '');
    expect(await cloud.code('DescribeKeyPairs', { Timestamp })).toBe(code);
  });

  test('with a timestamp that is none is refused', async () => {
    expect(await cloud.code('DescribeKeyPairs', { Timestamp: 'yesterday' })).toBe('InvalidTimeStamp.Format');
  });

  test('with temporary credentials needs their token', async () => {
    const policy = { Version: '1' as const, Statement: [{ Effect: 'Allow' as const, Action: 'ecs:*', Resource: '*' }] };
    const { secret } = await cloud.control.addAccessKeyWithPolicy('STS.one', policy, 'the-token');
    const as = { keyId: 'STS.one', secret };
    expect(await cloud.code('DescribeKeyPairs', {}, as)).toBe('InvalidAccessKeyId.NotFound');
    expect(await cloud.code('DescribeKeyPairs', { SecurityToken: 'the-token' }, as)).toBe('no error');
    expect(await cloud.code('DescribeKeyPairs', { SecurityToken: 'another' }, as)).toBe(
      'InvalidSecurityToken.MismatchWithAccessKey',
    );
  });

  test('GetCallerIdentity says who calls', async () => {
    expect(await cloud.ok('GetCallerIdentity', {}, { version: STS })).toMatchObject({
      IdentityType: 'Account',
      AccountId: expect.stringMatching(/^\d{16}$/),
    });
  });

  test('is logged without its secrets', async () => {
    await cloud.call('RunInstances', { UserData: 'c2VjcmV0', Password: 'geheim' });
    const last = (await cloud.control.calls()).at(-1);
    expect(last).toMatchObject({
      action: 'RunInstances',
      params: { UserData: '(8 characters)', Password: '(6 characters)' },
    });
    expect(Object.keys(last?.params ?? {})).not.toContain('Signature');
  });
});
