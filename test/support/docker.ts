import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describeSkipped } from './skip';

/**
 * A real docker daemon for one test file: own directory, socket and network namespace, so that it
 * changes nothing of the machine's.
 */
export interface DockerDaemon {
  /** A `docker` that talks to this daemon and no other. */
  readonly program: string;
  /**
   * What an instance with this docker has first on its PATH: that `docker`, and a `bash` which is
   * where the containers' network is.
   */
  readonly instancePath: string;
  /** Runs it; resolves with standard output. */
  docker(...args: string[]): Promise<string>;
  /**
   * Makes an image from this machine's own `bash`, `sh` and a few small programs, with the
   * libraries they need.
   */
  importImage(tag: string, programs?: readonly string[], changes?: readonly string[]): Promise<void>;
  /** Starts a program where the daemon's 127.0.0.1 is; it ends with `close`. */
  startInNetwork(command: string, args: readonly string[]): ChildProcess;
  /** Removes every container, ends the daemon and removes its directory. */
  close(): Promise<void>;
}

const START_LIMIT_S = 30;
/** The network that a container shared with its host is left mounted. */
const UNMOUNT = 'umount --lazy';

/**
 * `describe` where a daemon can be started; else skipped, for that reason. Each file has one daemon
 * of its own.
 */
export function describeWithDocker(title: string, body: (daemon: DockerDaemon) => void): void {
  const started = startDaemon();
  if (typeof started === 'string') return describeSkipped(started, title);
  describe(title, () => {
    afterAll(() => started.close(), 60_000);
    body(started);
  });
}

/**
 * Why it can't be started; else the daemon. Synchronous, because it decides whether tests are
 * defined.
 */
function startDaemon(): DockerDaemon | string {
  for (const program of ['dockerd', 'docker', 'unshare', 'ip']) {
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `${program} isn't installed`;
  }
  if (process.getuid?.() !== 0) return 'a docker daemon needs root';
  const directory = mkdtempSync(path.join(tmpdir(), 'docker-'));
  const socket = path.join(directory, 'docker.sock');
  const program = path.join(directory, 'docker');
  const client = spawnSync('sh', ['-c', 'command -v docker'], { encoding: 'utf8' }).stdout.trim();
  writeFileSync(program, `#!/bin/sh\nexport DOCKER_HOST=unix://${socket} DOCKER_CONTEXT=\nexec ${client} "$@"\n`);
  chmodSync(program, 0o755);
  const instancePath = path.join(directory, 'instance');
  mkdirSync(instancePath);
  symlinkSync(program, path.join(instancePath, 'docker'));
  writeFileSync(
    path.join(instancePath, 'bash'),
    `#!/bin/sh\nexec nsenter --net=/proc/$(cat ${directory}/pid)/ns/net /bin/bash "$@"\n`,
    { mode: 0o755 },
  );
  const flags = [
    '--iptables=false --ip6tables=false --ip-masq=false',
    `--data-root=${directory}/data --exec-root=${directory}/exec --pidfile=${directory}/pid -H unix://${socket}`,
  ].join(' ');
  // The daemon ends with this process, however that ends.
  const life = `while kill -0 ${process.pid} && kill -0 $!; do sleep 1; done; kill $!; wait; ${UNMOUNT} ${directory}/exec/netns/* 2> /dev/null; rm -rf ${directory}`;
  const script = [
    `setsid unshare --net sh -c 'ip link set lo up; TMPDIR=${directory} dockerd ${flags} > ${directory}/log 2>&1 & ${life}' < /dev/null > /dev/null 2>&1 &`,
    `for i in $(seq ${START_LIMIT_S * 5}); do ${program} version > /dev/null 2>&1 && exit 0; kill -0 $! || exit 1; sleep 0.2; done; exit 1`,
  ].join('\n');
  const daemon = daemonIn(directory, program);
  if (spawnSync('sh', ['-c', script], { stdio: 'ignore' }).status === 0) return daemon;
  const reason = lastLine(path.join(directory, 'log'));
  endDaemon(directory);
  return `dockerd does not start here: ${reason}`;
}

function daemonIn(directory: string, program: string): DockerDaemon {
  const docker = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)(program, args, { maxBuffer: 64 * 1024 * 1024 })).stdout;
  const children = new Set<ChildProcess>();
  return {
    program,
    instancePath: path.join(directory, 'instance'),
    docker,
    startInNetwork: (command, args) => {
      const pid = readFileSync(path.join(directory, 'pid'), 'utf8').trim();
      const child = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, command, ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.add(child);
      return child;
    },
    importImage: async (
      tag,
      programs = ['bash', 'sh', 'cat', 'ls', 'id', 'env', 'sleep', 'mkdir', 'touch', 'rm', 'chmod', 'chown'],
      changes = [],
    ) => {
      const root = path.join(directory, 'rootfs');
      await promisify(execFile)('sh', ['-c', COPY_ROOT, 'sh', root, ...programs]);
      const changed = changes.flatMap((change) => ['--change', change]);
      const script = 'root=$1 program=$2; shift 2; tar -C "$root" -c . | "$program" import "$@"';
      await promisify(execFile)('sh', ['-c', script, 'sh', root, program, ...changed, '-', tag]);
      rmSync(root, { recursive: true, force: true });
    },
    close: async () => {
      for (const child of children) child.kill('SIGKILL');
      const ids = (await docker('ps', '-aq')).split('\n').filter(Boolean);
      if (ids.length > 0) await docker('rm', '-f', ...ids);
      endDaemon(directory);
    },
  };
}

/**
 * A small root file system: programs, the libraries that they are linked with, and the files that
 * name the users.
 */
const COPY_ROOT = `
root=$1; shift
mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/root" "$root/usr"
chmod 1777 "$root/tmp"; ln -s ../bin "$root/usr/bin"
printf 'root:x:0:0:root:/root:/bin/sh\\nnobody:x:65534:65534:nobody:/:/bin/sh\\n' > "$root/etc/passwd"
printf 'root:x:0:\\nnogroup:x:65534:\\n' > "$root/etc/group"
for name in "$@"; do
  file=$(command -v "$name") || continue
  cp -L "$file" "$root/bin/$name"
  for library in $(ldd "$file" 2> /dev/null | grep -o '/[^ )]*'); do
    [ -e "$root$library" ] || { mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"; }
  done
done`;

function endDaemon(directory: string): void {
  const pid = existsSync(path.join(directory, 'pid')) ? readFileSync(path.join(directory, 'pid'), 'utf8').trim() : '';
  const script = `if [ -n "$1" ]; then kill "$1"; while kill -0 "$1" 2> /dev/null; do sleep 0.05; done; fi; ${UNMOUNT} "$2"/exec/netns/* 2> /dev/null; rm -rf "$2"`;
  spawnSync('sh', ['-c', script, 'sh', pid, directory], { stdio: 'ignore', timeout: 30_000 });
}

function lastLine(file: string): string {
  const text = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  return (text.split('\n').at(-1) ?? '').slice(0, 200) || 'no answer';
}
