import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { certificatesIn } from '../../../sandbox/cloud/server/certificates';
import { createRpc } from '../../../src/cloud/client';
import type { Service } from '../../../src/cloud/rpc';
import { gitlabApi } from '../../../src/gitlab/api';
import { createFetch } from '../../../src/web/fetch';
import type { Settings } from '../../../src/settings/types';
import { startConnectProxy, type ConnectProxy } from '../../support/connect-proxy';

/**
 * Servers whose names nobody can resolve: only a proxy leads to them. Their certificate is of a
 * private authority.
 */
const ECS = 'https://ecs.cn-hangzhou.aliyuncs.com';
const answer: RequestListener = (incoming, outgoing) => {
  incoming
    .resume()
    .on('end', () => outgoing.end(JSON.stringify({ RequestId: 'R-1', status: 'running', url: incoming.url })));
};

let directory: string;
let caFile: string;
let secure: Server;
let plain: Server;
const proxies: ConnectProxy[] = [];

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'web-'));
  const { key, cert, caFile: file } = await certificatesIn(directory, 'cn-hangzhou');
  caFile = file;
  secure = createHttpsServer({ key, cert }, answer).listen(0, '127.0.0.1');
  plain = createHttpServer(answer).listen(0, '127.0.0.1');
  await Promise.all([once(secure, 'listening'), once(plain, 'listening')]);
});
afterAll(async () => {
  for (const server of [secure, plain]) server.closeAllConnections();
  await Promise.all([secure, plain].map((server) => new Promise((resolve) => server.close(resolve))));
  rmSync(directory, { recursive: true });
});
afterEach(() => Promise.all(proxies.splice(0).map((proxy) => proxy.close())));

const portOf = (server: Server) => (server.address() as AddressInfo).port;

async function proxyTo(to: Server | 'silent', user?: string): Promise<ConnectProxy> {
  const proxy = await startConnectProxy({
    to: to === 'silent' ? to : portOf(to),
    ...(user === undefined ? {} : { user }),
  });
  proxies.push(proxy);
  return proxy;
}

const settings = (childEnvironment: Record<string, string>): Pick<Settings, 'cloud' | 'childEnvironment'> => ({
  childEnvironment,
  cloud: {
    region: 'cn-hangzhou',
    vpcId: 'vpc-1',
    vSwitchIds: [],
    executorCidrs: [],
    endpoints: { ecs: undefined, vpc: undefined, sts: undefined, ram: undefined, cms: undefined },
    credentials: { accessKeyId: 'id', accessKeySecret: 'secret', securityToken: undefined },
    ecsRoleName: undefined,
    usePublicAddress: false,
  },
});
/** A person waits: no second try. */
const ask = (environment: Record<string, string>, timeoutMs = 5_000, service: Service = 'ecs') =>
  createRpc(settings(environment), { timeoutMs, retryMs: 0 }).call(service, 'DescribeRegions', {});

describe('the cloud', () => {
  test.each<[Service, string]>([
    ['ecs', 'ecs.cn-hangzhou.aliyuncs.com'],
    ['vpc', 'vpc.cn-hangzhou.aliyuncs.com'],
    ['sts', 'sts.cn-hangzhou.aliyuncs.com'],
    ['ram', 'ram.aliyuncs.com'],
    ['cms', 'metrics.cn-hangzhou.aliyuncs.com'],
  ])('is asked (%s) through the proxy that HTTPS_PROXY names, with its name and password', async (service, host) => {
    const proxy = await proxyTo(secure, 'ci:p@ss');
    const HTTPS_PROXY = `http://ci:p%40ss@127.0.0.1:${proxy.port}`;
    const answer = ask({ HTTPS_PROXY, SSL_CERT_FILE: caFile }, 5_000, service);
    await expect(answer).resolves.toMatchObject({ RequestId: 'R-1' });
    expect(proxy.asked).toEqual([`CONNECT ${host}:443`]);
  });

  test('is asked directly where NO_PROXY names it', async () => {
    const proxy = await proxyTo(secure);
    const environment = { https_proxy: `http://127.0.0.1:${proxy.port}`, NO_PROXY: '.aliyuncs.com' };
    await expect(ask(environment)).rejects.toThrow(/could not be asked for DescribeRegions: E/);
    expect(proxy.asked).toEqual([]);
  });

  test('is not reached through a proxy that refuses: that is told, without the password', async () => {
    const proxy = await proxyTo(secure, 'ci:right');
    const HTTPS_PROXY = `http://ci:hush@127.0.0.1:${proxy.port}`;
    const error = await ask({ HTTPS_PROXY, SSL_CERT_FILE: caFile }).catch((e: unknown) => e as Error);
    expect(error).toMatchObject({
      message: `Alibaba Cloud (${ECS}) could not be asked for DescribeRegions: the proxy 127.0.0.1:${proxy.port} refused with HTTP 407`,
      remedy: expect.stringContaining('Check HTTPS_PROXY or HTTP_PROXY, the name and password in it'),
    });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('hush');
  });

  test('is not waited for longer than its limit where the proxy says nothing', async () => {
    const proxy = await proxyTo('silent');
    await expect(ask({ HTTPS_PROXY: `127.0.0.1:${proxy.port}` }, 200)).rejects.toThrow(
      `the proxy 127.0.0.1:${proxy.port} does not answer in time`,
    );
  });

  test('whose certificate nobody trusts is told as that', async () => {
    const proxy = await proxyTo(secure);
    await expect(ask({ HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` })).rejects.toMatchObject({
      message: expect.stringContaining('its certificate is of an authority that this host does not know ('),
      remedy: expect.stringContaining('SSL_CERT_FILE'),
      retryable: false,
    });
  });
});

describe('GitLab', () => {
  const api = (environment: Record<string, string>, files: string[] = [], url = 'https://gitlab.aliyuncs.com') =>
    gitlabApi({ url, token: 'glpat-hush', fetch: createFetch({ environment, files, timeoutMs: 5_000 }) });

  test('with a private authority is believed by its CA file', async () => {
    const url = `https://localhost:${portOf(secure)}`;
    await expect(api({}, [caFile], url).job(1, 7)).resolves.toEqual({ state: 'active' });
    await expect(api({ NODE_EXTRA_CA_CERTS: caFile }, [], url).job(1, 7)).resolves.toEqual({ state: 'active' });
  });

  test('with a private authority that is unknown is told as that, with the remedy', async () => {
    await expect(api({}, [], `https://localhost:${portOf(secure)}`).job(1, 7)).rejects.toMatchObject({
      message: expect.stringContaining(
        'does not answer (its certificate is of an authority that this host does not know',
      ),
      remedy: expect.stringContaining('GITLAB_SPOT_GITLAB_CA_FILE'),
    });
  });

  test.each(['missing.pem', 'empty.pem'])('a CA file that can not be used is named: %s', async (name) => {
    writeFileSync(path.join(directory, 'empty.pem'), '');
    const file = path.join(directory, name);
    await expect(api({}, [file], `https://localhost:${portOf(secure)}`).job(1, 7)).rejects.toThrow(
      `The CA file ${file} `,
    );
  });

  test('by https is asked through the proxy', async () => {
    const proxy = await proxyTo(secure);
    const environment = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, SSL_CERT_FILE: caFile };
    await expect(api(environment).job(1, 7)).resolves.toEqual({ state: 'active' });
    expect(proxy.asked).toEqual(['CONNECT gitlab.aliyuncs.com:443']);
  });

  test('by http is asked through the proxy, by its whole URL', async () => {
    const proxy = await proxyTo(plain, 'ci:p@ss');
    const environment = { HTTP_PROXY: `http://ci:p%40ss@127.0.0.1:${proxy.port}` };
    await expect(api(environment, [], 'http://gitlab.lan:8668').job(1, 7)).resolves.toEqual({ state: 'active' });
    expect(proxy.asked).toEqual(['GET http://gitlab.lan:8668/api/v4/projects/1/jobs/7']);
  });
});

test('an answer without an end is not waited for, nor is a large one read', async () => {
  const server = createHttpServer((incoming, outgoing) => {
    if (incoming.url === '/large') return void outgoing.end(Buffer.alloc(5 * 1024 * 1024));
    outgoing.write('{');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const fetch = createFetch({ environment: {}, timeoutMs: 300 });
  await expect(fetch(`http://127.0.0.1:${portOf(server)}/`)).rejects.toThrow('no answer in time');
  const patient = createFetch({ environment: {} });
  await expect(patient(`http://127.0.0.1:${portOf(server)}/large`)).rejects.toThrow('larger than 4 MiB');
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
