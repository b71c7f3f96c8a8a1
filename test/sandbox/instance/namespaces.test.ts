import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  chownSync,
  constants,
  existsSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generateKeyPair } from '../../../sandbox/instance/keys';
import type { MachineSpec } from '../../../sandbox/instance';
import { whyNoNamespaces } from '../../../sandbox/instance/namespaces';
import { testUnless } from '../../support/skip';
import { describeEachKind } from './support/kinds';
import { freePort, login, run, testMachine, type TestMachine } from './support/machines';

const hostScript = path.resolve(__dirname, '../../../dist/sandbox/instance-host.js');
const ourNamespace = readlinkSync('/proc/self/ns/pid');
/** Begins each command that would reach this machine's processes where it is not walled in. */
const guard = `[ "$(readlink /proc/self/ns/pid)" != "${ourNamespace}" ] || { echo "not in a namespace"; exit 99; }; `;

/** There is none before its first line. */
function journalOf(spec: MachineSpec): string {
  const file = path.join(spec.directory, 'machine.log');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** All that a job could do to this machine, but for ending its processes. */
const attempt = (outside: string): string =>
  [
    `${guard} echo "host $(hostname)"`,
    'echo "first $(head -c 10 /proc/1/cmdline | tr "\\0" " ")"',
    `[ -e ${outside} ] || echo "nothing of ours"`,
    'touch /usr/bin/gitlab-spot-test 2>/dev/null || echo "system is read-only"',
    'echo x >/tmp/file && echo x >/root/file && echo x >$HOME/file && echo "files of its own"',
  ].join('\n');
const attempted = {
  code: 0,
  stdout: 'host iZtest\nfirst /bin/sh -c\nnothing of ours\nsystem is read-only\nfiles of its own\n',
};

/** kill(2) leaves out who calls it. */
const massacre = `${guard} sleep 1000 & kill -KILL -1; wait $!; echo "$?"`;

let whyNot: string | undefined;
beforeAll(async () => void (whyNot = await whyNoNamespaces()));

describeEachKind('namespaces of an instance', (kind) => {
  const open: TestMachine[] = [];
  const start = async (more: Parameters<typeof testMachine>[1] = {}): Promise<TestMachine> => {
    const instance = await testMachine(kind, more);
    open.push(instance);
    return instance;
  };
  afterEach(async () => void (await Promise.all(open.splice(0).map((instance) => instance.dispose()))));

  test('a job sees files of its own; where that is impossible, the journal says why', async () => {
    const instance = await start();
    if (whyNot !== undefined) return expect(journalOf(instance.spec)).toContain(`no namespaces of its own: ${whyNot}`);
    const outside = mkdtempSync(path.join(tmpdir(), 'outside-'));
    expect(await run(await instance.connect(), attempt(outside))).toMatchObject(attempted);
    rmSync(outside, { recursive: true });
  });

  test('a folder that is shared with it can be written to', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'shared folder-'));
    const instance = await start({ sharedFolders: [folder] });
    expect(await run(await instance.connect(), `echo x >'${folder}/file'`)).toMatchObject({ code: 0 });
    expect(readFileSync(path.join(folder, 'file'), 'utf8')).toBe('x\n');
    rmSync(folder, { recursive: true });
  });
});

test('kill -1 ends a job’s own processes, not those of another instance, nor the user’s', async () => {
  if (whyNot !== undefined) return;
  const [instance, other] = [await testMachine('ssh2'), await testMachine('ssh2')];
  const ours = spawn('sleep', ['1000'], { stdio: 'ignore' });
  const theirs = await other.connect();
  await run(theirs, 'sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >$HOME/pid');
  expect(await run(await instance.connect(), massacre)).toMatchObject({ stdout: '137\n' });
  expect(await run(theirs, 'kill -0 $(cat $HOME/pid) && echo runs')).toMatchObject({ stdout: 'runs\n' });
  expect(await run(await instance.connect(), 'echo answers')).toMatchObject({ stdout: 'answers\n' });
  expect({ code: ours.exitCode, signal: ours.signalCode }).toEqual({ code: null, signal: null });
  ours.kill('SIGKILL');
  await Promise.all([instance.dispose(), other.dispose()]);
});

/** An instance in a host process that is started with these options. */
async function machineOf(
  options: { readonly uid?: number; readonly gid?: number; readonly PATH?: string },
  body: (instance: { readonly spec: MachineSpec; readonly privateKey: string }) => Promise<void>,
): Promise<void> {
  const { uid, gid, PATH = process.env['PATH'] } = options;
  const directory = mkdtempSync(path.join(tmpdir(), 'instance-'));
  if (uid !== undefined && gid !== undefined) chownSync(directory, uid, gid);
  const pair = generateKeyPair();
  const address = '127.0.0.1';
  const spec: MachineSpec = {
    ...{ instanceId: 'i-test0001', hostname: 'iZtest', address, sshPort: await freePort(address), directory },
    ...{ authorizedKeys: [pair.public], userData: '', metadataUrl: 'http://127.0.0.1:1/' },
  };
  const identity = uid === undefined ? {} : { uid, gid };
  const host = fork(hostScript, [], { detached: true, execArgv: [], env: { PATH }, ...identity });
  try {
    host.send({ id: 1, machine: 1, do: 'start', kind: 'ssh2', spec });
    expect(await once(host, 'message')).toEqual([{ id: 1 }, undefined]);
    await body({ spec, privateKey: pair.private });
  } finally {
    host.disconnect();
    await once(host, 'exit');
    rmSync(directory, { recursive: true });
  }
}

const NOBODY = { uid: 65534, gid: 65534 };
/** Where the tests run as somebody else than root, all others here are this one. */
function whyNotAsNobody(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may start it as another user';
  const reads = `test -x ${process.execPath} && test -r ${hostScript}`;
  return spawnSync('sh', ['-c', reads], NOBODY).status === 0 ? undefined : 'another user can read no node or dist here';
}

testUnless(
  whyNotAsNobody(),
  'a user who is not root gets them too where the kernel allows it, and is not root in them',
  async () => {
    const outside = mkdtempSync(path.join(tmpdir(), 'outside-'));
    await machineOf(NOBODY, async ({ spec, privateKey }) => {
      if (journalOf(spec).includes('no namespaces of its own')) return;
      const client = await login(spec, { username: 'root', privateKey });
      expect(await run(client, 'id -u; id -g; umount /usr; touch /etc/passwd')).toMatchObject({
        code: 1,
        stdout: '65534\n65534\n',
      });
      expect(await run(client, attempt(outside))).toMatchObject(attempted);
      expect(await run(client, massacre)).toMatchObject({ stdout: '137\n' });
      client.destroy();
    });
    rmSync(outside, { recursive: true });
  },
);

test('an instance starts without unshare on PATH as well, beside the host’s processes, and says so', async () => {
  const bin = mkdtempSync(path.join(tmpdir(), 'bin-'));
  symlinkSync(programOnPath('mkfifo'), path.join(bin, 'mkfifo'));
  await machineOf({ PATH: bin }, async ({ spec, privateKey }) => {
    expect(journalOf(spec)).toContain('no namespaces of its own: unshare (util-linux) is not on PATH');
    const client = await login(spec, { username: 'root', privateKey });
    expect(await run(client, 'readlink /proc/self/ns/pid')).toMatchObject({ stdout: `${ourNamespace}\n` });
    client.destroy();
  });
  rmSync(bin, { recursive: true });
});

function programOnPath(name: string): string {
  const isProgram = (file: string): boolean => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  return (process.env['PATH'] ?? '')
    .split(':')
    .map((folder) => path.join(folder, name))
    .find(isProgram)!;
}
