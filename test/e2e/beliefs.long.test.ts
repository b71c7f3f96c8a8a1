import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { S3Storage } from '../../sandbox/engine/backend/s3-storage';
import { builtHooks } from '../../sandbox/start';
import type { RamPolicy } from '../../sandbox/cloud/types';
import { executorPolicy } from '../../stacks/ram-policy';
import { HookedJob } from '../support/hooked-job';
import { preparedBefore, type Change } from '../support/switched-back';
import { readable, World } from '../support/world';

/**
 * What was believed of the cloud and turned out wrong, with its number in the list of beliefs: each
 * is switched back, in the sources or by a setting, and a job's prepare then ends as it would at
 * the real cloud; beside it the same job as it is today. The thirteenth, downloads that a mirror
 * never had, is no job's: test/deploy/downloads.test.ts.
 */
jest.setTimeout(240_000);

const page = (name: string, lines: string) => `  ${name}:\n${lines.replace(/^ */gm, '    ')}\n`;
const COMMON = 'spot: { maxPrice: 2, fallback: on-demand }\nzones: [cn-hangzhou-h]';
const PAGE = `default: plain
profiles:
${page('plain', `types: [ecs.c7.xlarge]\nimage: gitlab-spot-java23\ndisk: { category: cloud_essd, sizeGiB: 40 }\n${COMMON}`)}
${page('debian', `types: [ecs.c7.xlarge]\nimage: debian_12_x64_20G_alibase.vhd\ndisk: { category: cloud_essd, sizeGiB: 40 }\n${COMMON}`)}
${page('hardened', `types: [ecs.c7.xlarge]\nimage: debian_12_x64_20G_alibase.vhd\nmetadata: hardened\ndisk: { category: cloud_essd, sizeGiB: 40 }\n${COMMON}`)}
${page('by-size', `vcpu: 4\nmemoryGiB: 8\nimage: gitlab-spot-java23\ndisk: { category: cloud_essd, sizeGiB: 40 }\n${COMMON}`)}
${page('old-disk', `types: [ecs.c7.xlarge]\nimage: gitlab-spot-java23\ndisk: { category: cloud_efficiency, sizeGiB: 40 }\n${COMMON}`)}
${page('not-sold', `types: [ecs.none.xlarge, ecs.c7.xlarge]\nimage: gitlab-spot-java23\ndisk: { category: cloud_essd, sizeGiB: 40 }\n${COMMON}`)}
`;

let world: World;
let profiles: string;
let hosts = 0;
beforeAll(async () => {
  world = await World.start();
  profiles = path.join(world.sandbox.directory, 'beliefs.yaml');
  writeFileSync(profiles, PAGE);
});
afterAll(() => world.close());

interface Play {
  readonly profile?: string;
  readonly changes?: readonly Change[];
  readonly settings?: Readonly<Record<string, string | undefined>>;
  readonly response?: object;
}

/** A job's prepare on a host of its own, which remembers nothing of the others'. */
async function prepare({ profile = 'plain', changes, settings, response }: Play) {
  const folder = path.join(world.sandbox.directory, `host-${++hosts}`);
  mkdirSync(folder, { mode: 0o700 });
  const variables = {
    GITLAB_SPOT_PROFILES_FILE: profiles,
    GITLAB_SPOT_STATE_DIR: path.join(folder, 'state'),
    GITLAB_SPOT_CLEANUP: 'wait',
    CUSTOM_ENV_SPOT_PROFILE: profile,
    ...settings,
  };
  mkdirSync(variables.GITLAB_SPOT_STATE_DIR, { mode: 0o700 });
  const job = new HookedJob(world, variables, response);
  const hooks = { ...builtHooks(), ...(changes && { prepare: preparedBefore(path.join(folder, 'hooks'), changes) }) };
  const { code, stdout, stderr } = await job.start('prepare', {}, hooks).ended;
  const calls = await world.sandbox.control.calls();
  const launched = calls.find(
    ({ action, params }) => action === 'RunInstances' && params.InstanceName === job.stackName,
  );
  await world.sandbox.control.clearFaults();
  await job.cleanUp();
  return { code, log: readable(`${stdout.toString()}${stderr}`), image: launched?.params.ImageId };
}

const change = (file: string, from: string, to: string): Change => ({ file, from, to });
const ready = { code: 0, log: expect.stringContaining('Ready') };
const fails = (text: string | RegExp) => ({ code: 2, log: expect.stringMatching(text) });

test('1: a key pair of ed25519', async () => {
  const ed25519 = change(
    'src/prepare/instance-maker.ts',
    'loginKeyPair(dependencies.settings.stateDir, this.stackName)',
    'Promise.resolve(generateHostKeyPair(this.stackName))',
  );
  expect(await prepare({ changes: [ed25519] })).toMatchObject(fails('InvalidPublicKeyBody.Malformed'));
  expect(await prepare({})).toMatchObject(ready);
});

test('2: hardened metadata on an image whose cloud-init asks without a token', async () => {
  const settings = { GITLAB_SPOT_BOOT_TIMEOUT: '4', GITLAB_SPOT_MAX_CANDIDATES: '1' };
  expect(await prepare({ profile: 'hardened', settings })).toMatchObject(fails('cloud-init older than 23.1'));
  expect(await prepare({ profile: 'debian' })).toMatchObject(ready);
});

test('3: as many types in a call as one likes: each is asked about alone, at a call more for each', async () => {
  const changes = [
    change('src/cloud/params.ts', 'TYPES_AT_ONCE = 10', 'TYPES_AT_ONCE = 100'),
    change('src/placement/choose-types.ts', 'MAX_TYPES = 7', 'MAX_TYPES = 20'),
  ];
  const advice = async (): Promise<number> =>
    (await world.sandbox.control.calls()).filter(({ action }) => action === 'DescribeSpotAdvice').length;
  const before = await advice();
  expect(await prepare({ profile: 'by-size', changes })).toMatchObject(ready);
  const between = await advice();
  expect(await prepare({ profile: 'by-size' })).toMatchObject(ready);
  const refused = (await world.sandbox.control.calls()).filter(({ code }) => code === 'InvalidParameter');
  expect(refused.map(({ action }) => action)).toContain('DescribeSpotAdvice');
  expect([between - before, (await advice()) - between]).toEqual([expect.any(Number), 3]);
  expect(between - before).toBeGreaterThan(20);
});

test('4: stock that is asked for without the disk', async () => {
  const changes = [change('src/cloud/client.ts', 'SystemDiskCategory: diskCategory,', '')];
  const profile = 'old-disk';
  expect(await prepare({ profile, changes })).toMatchObject(fails('does not take this kind of disk'));
  expect(await prepare({ profile })).toMatchObject(fails('No pool is available now'));
});

test('5: security groups that each VPC counts by itself', async () => {
  await world.sandbox.control.setQuotas({ securityGroups: 0 });
  expect(await prepare({})).toMatchObject(fails('a quota of the account is used up'));
  await world.sandbox.control.setQuotas({ securityGroups: 100 });
  expect(await prepare({})).toMatchObject(ready);
});

test('6: images by name alone', async () => {
  const changes = [change('src/cloud/find-image.ts', "['self', 'system']", '[undefined]')];
  const stranger = await prepare({ changes });
  const own = await prepare({});
  expect([stranger, own]).toMatchObject([ready, ready]);
  expect(world.sandbox.info.imageIds).toContain(own.image);
  expect(stranger.image).not.toBe(own.image);
});

test('7: prices in yuan, whatever the account pays in', async () => {
  await world.sandbox.control.setCurrency('USD');
  const settings = { GITLAB_SPOT_CURRENCY: 'USD', GITLAB_SPOT_BUDGET: '1000' };
  const changes = [change('src/cloud/client.ts', 'currency = Currency;', '')];
  expect(await prepare({ settings, changes })).toMatchObject(fails('this account is billed in yuan'));
  expect(await prepare({ settings })).toMatchObject(ready);
  await world.sandbox.control.setCurrency('CNY');
});

test('8: the state bucket by OSS’s public endpoint, for an account of after March 2025', async () => {
  const { endpoint, accessKeyId, accessKeySecret } = world.sandbox.info;
  const url = `s3://beliefs?region=cn-hangzhou&endpoint=http://${endpoint}&s3ForcePathStyle=true`;
  const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: accessKeySecret };
  await new S3Storage(url, keys).makeBucket();
  const settings = { ...keys, PULUMI_BACKEND_URL: url };
  const error = { status: 403, code: 'AccessDenied', message: 'Public endpoints are restricted for this operation.' };
  for (const name of ['ListObjects', 'GetObject', 'PutObject'])
    await world.sandbox.control.inject({ action: `oss:${name}`, error });
  expect(await prepare({ settings })).toMatchObject(fails("Pulumi’s backend can't be used.*AccessDenied"));
  expect(await prepare({ settings })).toMatchObject(ready);
});

test('9: every instance has a way to the internet', async () => {
  const response = { cache: [{ key: 'k', paths: ['x'] }] };
  const settings = { GITLAB_SPOT_RUNNER_HELPER: 'http://127.0.0.1:9/{version}/gitlab-runner-{arch}' };
  const profile = 'debian';
  expect(await prepare({ profile, response, settings })).toMatchObject(
    fails(/cache and artifacts would be lost: the download failed.*a URL that the instance can reach/),
  );
  expect(await prepare({ profile: 'plain', response })).toMatchObject(ready);
});

test('10: one limit for all calls, which half a minute outlasts', async () => {
  const changes = [change('src/cloud/rpc.ts', 'const THROTTLED_MS = 76_000;', 'const THROTTLED_MS = 100;')];
  await world.sandbox.control.setCallsPerMinute({ DescribeVSwitches: 0 });
  expect(await prepare({ changes })).toMatchObject(fails('Throttling.User'));
  // Another action has a limit of its own, and is never asked.
  await world.sandbox.control.setCallsPerMinute({ DescribeZones: 0 });
  expect(await prepare({})).toMatchObject(ready);
  await world.sandbox.control.setCallsPerMinute({});
});

test('11: refusals are spelled in one way', async () => {
  const error = { status: 403, code: 'Forbbiden.SubUser', message: 'User not authorized.' };
  const changes = [change('src/placement/refusals.ts', "['Forbidden', 'Forbbiden', 'Forbedden']", "['Forbidden']")];
  await world.sandbox.control.inject({ action: 'RunInstances', error });
  expect(await prepare({ changes })).toMatchObject(fails('Forbbiden.SubUser, .* \\(the cloud refused\\)'));
  await world.sandbox.control.inject({ action: 'RunInstances', error });
  expect(await prepare({})).toMatchObject(fails('Grant what `gitlab-spot ram-policy` prints'));
});

/** As on such a host: the names of public endpoints lead nowhere. */
function noPublicNames(): string {
  const file = path.join(world.sandbox.directory, 'no-public-names.js');
  writeFileSync(
    file,
    `const dns = require('dns'), real = dns.lookup;
dns.lookup = (name, ...rest) => /aliyuncs\\.com$/.test(name) && !/-vpc\\./.test(name)
  ? process.nextTick(rest.at(-1), Object.assign(new Error('getaddrinfo ENOTFOUND ' + name), { code: 'ENOTFOUND' }))
  : real(name, ...rest);`,
  );
  return file;
}

test('12: the default endpoints, from a host without a public address', async () => {
  const settings = { ECS_ENDPOINT: undefined, VPC_ENDPOINT: undefined, NODE_OPTIONS: `--require ${noPublicNames()}` };
  const changes = [change('src/cloud/rpc.ts', 'const RETRY_MS = 30_000;', 'const RETRY_MS = 100;')];
  expect(await prepare({ settings, changes })).toMatchObject(fails('needs ECS_ENDPOINT=ecs-vpc.REGION.aliyuncs.com'));
  expect(await prepare({})).toMatchObject(ready);
});

test.each(['refuse', 'empty'] as const)('14: a type that is not sold is an error, or none (%s)', async (kind) => {
  await world.sandbox.control.setUnknownTypes(kind);
  expect(await prepare({ profile: 'not-sold' })).toMatchObject(ready);
  await world.sandbox.control.setUnknownTypes('refuse');
});

test('14: RunInstances knows the tags of the request', async () => {
  // A key that the cloud doesn't know never holds.
  const unknown = JSON.stringify(executorPolicy({ images: false })).replaceAll('acs:RequestTag/', 'acs:NotKnown/');
  const keyWith = async (name: string, policy: RamPolicy) => ({
    ALICLOUD_ACCESS_KEY: name,
    ALICLOUD_SECRET_KEY: (await world.sandbox.control.addAccessKeyWithPolicy(name, policy)).secret,
  });
  const leaning = await keyWith('LTAI5tLeaning', JSON.parse(unknown) as RamPolicy);
  const free = await keyWith('LTAI5tFree', executorPolicy({ images: false, tagCondition: false }) as RamPolicy);
  expect(await prepare({ settings: leaning })).toMatchObject(fails('Forbidden.RAM'));
  expect(await prepare({ settings: free })).toMatchObject(ready);
});
