/** The built simulator as a process of its own, with real machines. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { cloudControl } from '../../../sandbox/cloud/control';
import { sign } from '../../../sandbox/cloud/server/signature';
import type { CloudInfo } from '../../../sandbox/cloud/types';

const PROGRAM = path.resolve(__dirname, '../../../dist/sandbox/cloud.js');

let directory: string;
let running: ChildProcess | undefined;
beforeAll(async () => (directory = await mkdtemp(path.join(os.tmpdir(), 'gitlab-spot-cloud-process-'))));
afterAll(async () => {
  if (running?.exitCode === null && running.kill('SIGTERM')) await once(running, 'exit');
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

const infoFile = (): string => path.join(directory, 'cloud.json');

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (const end = Date.now() + 30_000; Date.now() < end;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited 30 s for ${what}`);
}

async function start(...more: string[]): Promise<CloudInfo> {
  rmSync(infoFile(), { force: true });
  running = spawn(process.execPath, [PROGRAM, '--directory', directory, ...more], { stdio: 'ignore' });
  return until('cloud.json', () =>
    existsSync(infoFile()) ? (JSON.parse(readFileSync(infoFile(), 'utf8')) as CloudInfo) : undefined,
  );
}

async function end(signal: NodeJS.Signals): Promise<void> {
  const child = running as ChildProcess;
  child.kill(signal);
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

async function call(info: CloudInfo, action: string, parameters: Record<string, string>) {
  const signed: Record<string, string> = {
    Action: action,
    Version: '2014-05-26',
    AccessKeyId: info.accessKeyId,
    SignatureMethod: 'HMAC-SHA1',
    SignatureVersion: '1.0',
    SignatureNonce: randomUUID(),
    Timestamp: new Date().toISOString().replace(/\.\d+/, ''),
    RegionId: info.region,
    ...parameters,
  };
  signed.Signature = sign('POST', signed, info.accessKeySecret);
  const response = await fetch(`http://${info.endpoint}/`, { method: 'POST', body: new URLSearchParams(signed) });
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the API's answers are as deep as they are
  return (await response.json()) as any;
}

/** What the SSH server says first, or undefined where nobody listens. */
function banner(address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port, timeout: 2000 });
    const finish = (text: string | undefined): void => {
      socket.destroy();
      resolve(text);
    };
    socket.once('data', (data) => finish(data.toString('latin1')));
    socket.once('error', () => finish(undefined)).once('timeout', () => finish(undefined));
  });
}

test('the simulator runs instances as machines, comes back after a kill with all it had, and takes them along when it ends', async () => {
  const info = await start('--delays', '{"pendingMs":1,"startingMs":1,"bootMs":1}');
  const { SecurityGroupId } = await call(info, 'CreateSecurityGroup', { VpcId: info.vpcId });
  const launched = await call(info, 'RunInstances', {
    ImageId: info.imageIds[0] ?? '',
    InstanceType: 'ecs.c7.xlarge',
    VSwitchId: info.vSwitchIds['cn-hangzhou-k'] ?? '',
    'SecurityGroupIds.1': SecurityGroupId,
  });
  const [instanceId] = launched.InstanceIdSets.InstanceIdSet as string[];
  const address = (await cloudControl(info.endpoint).leftovers()).instances[0]?.address ?? '';
  await until('the SSH port', () => banner(address, info.sshPort));

  await end('SIGKILL');
  const again = await start();
  expect(again).toEqual({ ...info, pid: running?.pid });
  expect((await cloudControl(info.endpoint).leftovers()).instances).toEqual([
    expect.objectContaining({ instanceId, address, status: 'Running' }),
  ]);
  expect(await until('the SSH port after the restart', () => banner(address, info.sshPort))).toMatch(/^SSH-2\.0-/);

  await end('SIGTERM');
  expect(running?.exitCode).toBe(0);
  expect(existsSync(infoFile())).toBe(false);
  expect(await banner(address, info.sshPort)).toBeUndefined();
});

test.each([
  [['--delays', 'fast'], /delays/],
  [['--machine-kind', 'vm'], /machine-kind/],
  [[], /directory/],
])('%j is refused with a sentence', async (args, message) => {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.on('data', (data: Buffer) => (text += data.toString()));
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(1);
  expect(text).toMatch(message);
  expect(text).not.toMatch(/^\s+at /m);
});
