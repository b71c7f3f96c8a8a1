import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { addressesOf } from '../../../src/doctor/instance/addresses';
import { proxies } from '../../../src/doctor/proxies';
import {
  instanceChecks,
  runCheck,
  mirrorsIn,
  nameResolution,
  reach,
  type Look,
} from '../../../src/doctor/instance/checks';
import type { SshConnection } from '../../../src/ssh/types';
import { describeUnless } from '../../support/skip';
import { without } from '../../support/tools';

/** The looks of `doctor --instance`, run by a shell of this machine in the instance's place. */
let directory: string;
let server: Server;
let url: string;
let status = 401;
beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'looks-'));
  server = createServer((_request, response) => response.writeHead(status).end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

/**
 * A PATH that has the shell's tools, some of this machine's programs, and scripts in the place of
 * others.
 */
function image(name: string, programs: readonly string[], scripts: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(path.join(directory, `${name}-`));
  for (const program of ['sh', 'sed', 'tail', 'printf', 'timeout', 'awk', 'df', 'nproc', ...programs]) {
    const file = spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).stdout.trim();
    if (file.startsWith('/')) symlinkSync(file, path.join(folder, program));
  }
  for (const [program, script] of Object.entries(scripts)) {
    writeFileSync(path.join(folder, program), `#!/bin/sh\n${script}\n`);
    chmodSync(path.join(folder, program), 0o755);
  }
  return folder;
}

const connectionTo = (PATH: string): SshConnection => ({
  async exec(command) {
    const child = spawn('/bin/sh', ['-c', command], { env: { PATH, HOME: directory } });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [exitCode] = (await once(child, 'close')) as [number];
    return { stdout, stderr, exitCode };
  },
  upload: () => Promise.reject(new Error('not here')),
  close: () => undefined,
});

const full = () => image('full', ['curl', 'git', 'bash', 'getent']);
const run = (look: Look, PATH: string) => runCheck(connectionTo(PATH), look);
const at = (address: string, state: 'bad' | 'warning' = 'bad') =>
  reach({ condition: 'GitLab', url: address, state, remedy: 'Jobs clone from there.' });

describeUnless(without('curl') ?? without('wget'), 'an address', () => {
  test.each(['curl', 'wget'])('that answers is good, by %s', async (tool) => {
    expect(await run(at(url), image(`with-${tool}`, [tool]))).toMatchObject({
      state: 'good',
      detail: expect.stringMatching(/answers \(HTTP 401/) as string,
    });
  });

  test.each(['curl', 'wget'])('that nobody listens at is told with the reason and the remedy, by %s', async (tool) => {
    expect(await run(at('http://127.0.0.1:9/'), image(`refused-${tool}`, [tool]))).toMatchObject({
      state: 'bad',
      detail: expect.stringMatching(/http:\/\/127\.0\.0\.1:9\/ can't be reached: .*(refused|connect)/i) as string,
      remedy: expect.stringMatching(/Check routes.*Jobs clone from there\.$/) as string,
    });
  });

  test('whose name nobody knows is told as that', async () => {
    expect(await run(at('http://gitlab.invalid/'), full())).toMatchObject({
      state: 'bad',
      remedy: expect.stringContaining('The name can’t be resolved there.') as string,
    });
  });

  test('whose server is broken is a warning; without curl and wget nothing is known', async () => {
    status = 502;
    expect(await run(at(url), image('curl-502', ['curl']))).toMatchObject({
      state: 'warning',
      detail: expect.stringContaining('HTTP 502') as string,
    });
    status = 401;
    expect(await run(at(url), image('bare', []))).toMatchObject({
      state: 'warning',
      remedy: 'Put curl or wget into the image.',
    });
  });

  test('can not run anything by its spelling', async () => {
    const mark = path.join(directory, 'mark');
    await run(at(`http://127.0.0.1:9/'; touch ${mark}; '$(touch ${mark})`), full());
    expect(spawnSync('test', ['-e', mark]).status).toBe(1);
  });
});

test('names that are not resolved are named, numbers are not asked about', async () => {
  const look = nameResolution(['http://gitlab.invalid:8080/x', 'http://10.0.0.5', url])!;
  expect(await run(look, image('resolver', ['getent']))).toMatchObject({
    state: 'bad',
    detail: "the instance can't resolve gitlab.invalid",
    remedy: expect.stringContaining('100.100.2.136') as string,
  });
  expect(nameResolution(['http://10.0.0.5'])).toBeUndefined();
});

describe('instanceChecks', () => {
  const by = (condition: string, helperInstalls = false) =>
    instanceChecks({ runnerVersion: '19.3.0', helperInstalls }).find((look) => look.condition === condition)!;
  const runner = (version: string) => ({ 'gitlab-runner': `echo "Version:      ${version}"` });

  test.each<[string, string, () => string, string, RegExp]>([
    ['git', 'git', full, 'good', /^\d/],
    ['no git', 'git', () => image('no-git', []), 'bad', /there is no git/],
    ['bash', 'bash', full, 'good', /^\d/],
    ['the runner’s own version', 'gitlab-runner', () => image('runner', [], runner('19.3.1')), 'good', /^19\.3\.1$/],
    [
      'another minor version',
      'gitlab-runner',
      () => image('older', [], runner('18.1.0')),
      'warning',
      /18\.1\.0 .* 19\.3\.0 on this host/,
    ],
    [
      'no gitlab-runner',
      'gitlab-runner',
      () => image('no-runner', []),
      'bad',
      /cache and artifacts of jobs would be lost/,
    ],
    ['docker', 'docker', () => image('docker', [], { docker: 'echo 28.1.1' }), 'good', /^28\.1\.1$/],
    ['no docker', 'docker', () => image('no-docker', []), 'warning', /jobs with `image` or `services` fail/],
    [
      'a docker that is down',
      'docker',
      () => image('docker-down', [], { docker: 'echo "Cannot connect to the Docker daemon" >&2; exit 1' }),
      'bad',
      /its daemon does not answer: Cannot connect/,
    ],
    ['a machine', 'machine', full, 'good', /\d+ vCPU, \d+ MiB, \d+ GiB free of \d+/],
  ])('%s', async (_title, condition, PATH, state, detail) => {
    expect(await run(by(condition), PATH())).toMatchObject({ state, detail: expect.stringMatching(detail) as string });
  });
});

test('a connection that breaks is a finding', async () => {
  const broken = { ...connectionTo(''), exec: () => Promise.reject(new Error('the connection to x broke')) };
  expect(await runCheck(broken, at(url))).toMatchObject({ state: 'bad', detail: 'the connection to x broke' });
});

test('mirrors are what docker says, if it says a list of addresses', () => {
  expect(mirrorsIn('["https://m.example.com/"]\n')).toEqual(['https://m.example.com/']);
  expect(['null', '', '{"a":1}', '[1,"x"]'].map(mirrorsIn)).toEqual([[], [], [], []]);
});

test('addresses come from the runner’s sections, then from the settings, then from the person', () => {
  const s3 = { ServerAddress: 'oss-cn-hangzhou-internal.aliyuncs.com', BucketName: 'ci' };
  const section = { url: 'http://gitlab:8668/', clone_url: 'http://10.0.0.5:8668', cache: { Type: 's3', s3 } };
  const urls = (...args: Parameters<typeof addressesOf>) => addressesOf(...args).map((one) => one.url);
  const gitlab = { url: 'http://other', token: undefined, retry: false, caFile: undefined };
  expect(urls([section, section], { gitlab }, ['https://repo.example.com'])).toEqual([
    'http://10.0.0.5:8668/api/v4/version',
    'http://gitlab:8668/api/v4/version',
    'https://ci.oss-cn-hangzhou-internal.aliyuncs.com/',
    'https://repo.example.com',
  ]);
  expect(urls([], { gitlab }, [])).toEqual(['http://other/api/v4/version']);
  const path = { Type: 's3', s3: { ...s3, Insecure: true, PathStyle: true } };
  expect(urls([{ cache: path }], { gitlab }, [])).toEqual(['http://oss-cn-hangzhou-internal.aliyuncs.com/ci']);
});

test('doctor says by which way cloud and GitLab are asked, where a proxy is set, and never its password', () => {
  const urls = { cloud: 'https://ecs.cn-hangzhou.aliyuncs.com', GitLab: 'http://10.0.0.5:8668' };
  expect(proxies(urls, {})).toEqual([]);
  const environment = { HTTPS_PROXY: 'http://ci:hush@proxy.lan:3128', HTTP_PROXY: 'proxy.lan', NO_PROXY: '10.0.0.0/8' };
  expect(proxies(urls, environment)).toMatchObject([
    { state: 'good', detail: 'cloud through proxy.lan:3128, GitLab directly' },
  ]);
});
