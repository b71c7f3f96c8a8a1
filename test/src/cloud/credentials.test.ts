import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { credentialsProvider } from '../../../src/cloud/credentials';

/** Alibaba Cloud's own chain: what a host uses that has neither keys nor a named RAM role. */
let server: Server;
let asked: number;
const before = { ...process.env };

beforeEach(async () => {
  asked = 0;
  server = createServer((_request, response) => {
    asked++;
    const keys = { AccessKeyId: 'id', AccessKeySecret: 'secret', SecurityToken: 'token' };
    response.end(JSON.stringify({ Code: 'Success', ...keys, Expiration: '2099-01-01T00:00:00Z' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // No instance's metadata service is looked for.
  process.env.ALIBABA_CLOUD_ECS_METADATA_DISABLED = 'true';
});
afterEach(async () => {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  await new Promise((resolve) => server.close(resolve));
});

test.each(['ALIBABA_CLOUD_CREDENTIALS_URI', 'ALICLOUD_CREDENTIALS_URI'])(
  '%s of the env file is heeded, by calls that come side by side, too',
  async (name) => {
    const environment = { [name]: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys` };
    const from = credentialsProvider({ credentials: undefined, ecsRoleName: undefined }, environment);
    const keys = { accessKeyId: 'id', accessKeySecret: 'secret', securityToken: 'token' };
    expect(await Promise.all([1, 2, 3].map(() => from.getCredentials()))).toEqual([keys, keys, keys]);
    expect(asked).toBe(1);
  },
);
