import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

/**
 * The first boot of a Debian with its own cloud-init, in namespaces of its own, as an instance of
 * Alibaba Cloud has it.
 */
export interface FirstBoot {
  /** Where its sshd is reached from here. */
  readonly port: number;
  /** cloud-init's own log so far. */
  log(): string;
  end(): Promise<void>;
}

export interface Metadata {
  readonly userData: string;
  /** The key pair's, as the cloud hands it out. */
  readonly publicKey: string;
  /** HttpTokens: required. */
  readonly hardened: boolean;
}

const PACKAGES = 'cloud-init,openssh-server,iproute2,ca-certificates,python3-cffi-backend';

/** Debian's own package server, as this machine names it. */
function mirror(): string | undefined {
  const files = [
    '/etc/apt/sources.list',
    ...readdirSync('/etc/apt/sources.list.d').map((one) => `/etc/apt/sources.list.d/${one}`),
  ];
  const text = files.filter((file) => existsSync(file)).map((file) => readFileSync(file, 'utf8'));
  return text.flatMap((one) => one.match(/https?:\/\/\S+\/debian\/?(?=\s|$)/g) ?? [])[0];
}

/** The reason against first boots on this machine. */
export function withoutFirstBoot(): string | undefined {
  if (process.getuid?.() !== 0) return 'a first boot needs root';
  for (const program of ['debootstrap', 'unshare', 'nsenter', 'ip', 'chroot'])
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `${program} isn't installed`;
  if (
    spawnSync('unshare', ['--mount', '--net', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status !== 0
  )
    return 'no namespaces can be made here';
  return existsSync('/etc/apt') && mirror() !== undefined ? undefined : 'apt names no Debian mirror here';
}

/**
 * A Debian as an image would have it, in a new folder, to be copied for each boot; FIRST_BOOT_ROOTS
 * names a folder that has it already.
 */
export async function debian(release: string, folder: string): Promise<string> {
  const root = path.join(folder, release);
  const made = process.env.FIRST_BOOT_ROOTS;
  if (made !== undefined) await promisify(execFile)('cp', ['-a', path.join(made, release), root]);
  else {
    const args = ['--variant=minbase', `--include=${PACKAGES}`, release, root, mirror()!];
    await promisify(execFile)('debootstrap', args, { maxBuffer: 64 * 1024 * 1024, timeout: 840_000 });
  }
  writeFileSync(
    path.join(root, 'etc/cloud/cloud.cfg.d/99-image.cfg'),
    // As the cloud's own images; and who has no metadata need not wait two minutes for them here.
    'datasource_list: [AliYun]\ndatasource: { AliYun: { max_wait: 4, timeout: 2 } }\n',
  );
  // An instance is a machine: in namespaces systemd would call it a container, and cloud-init then
  // asks no firmware for its cloud.
  const detect = path.join(root, 'usr/bin/systemd-detect-virt');
  rmSync(detect, { force: true });
  symlinkSync('/bin/false', detect);
  return root;
}

/** Boots a copy of it. */
export async function firstBoot(image: string, { userData, publicKey, hardened }: Metadata): Promise<FirstBoot> {
  const folder = mkdtempSync(path.join(tmpdir(), 'first-boot-'));
  const root = path.join(folder, 'root');
  await promisify(execFile)('cp', ['-a', image, root]);
  // What tells cloud-init on which cloud it is; the machine that this test runs on may be none, or
  // another one.
  mkdirSync(path.join(folder, 'sys/class/dmi/id'), { recursive: true });
  mkdirSync(path.join(folder, 'sys/class/net'), { recursive: true });
  writeFileSync(path.join(folder, 'sys/class/dmi/id/product_name'), 'Alibaba Cloud ECS\n');
  writeFileSync(path.join(folder, 'boot.sh'), BOOT, { mode: 0o755 });
  const socketFile = path.join(folder, 'ssh');
  const values = {
    'meta-data/instance-id': 'i-bp1firstboot',
    'meta-data/hostname': 'first-boot',
    'meta-data/region-id': 'cn-hangzhou',
    'meta-data/zone-id': 'cn-hangzhou-k',
    'meta-data/public-keys/0/openssh-key': publicKey,
    'user-data': userData,
  };
  writeFileSync(path.join(folder, 'metadata.json'), JSON.stringify({ values, hardened }));
  const program = path.join(folder, 'boot.sh');
  const namespaces = ['--mount', '--net', '--pid', '--uts', '--ipc', '--fork', '--kill-child'];
  const machine = spawn('unshare', [...namespaces, program, folder, process.execPath, NEIGHBOURS], {
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  });
  const ended = new Promise<void>((resolve) => machine.once('close', () => resolve()));
  const server = createServer((inside) => {
    const outside = connect(socketFile);
    inside.pipe(outside).pipe(inside);
    for (const socket of [inside, outside]) socket.on('error', () => (inside.destroy(), outside.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    log: () => {
      const file = path.join(root, 'var/log/cloud-init.log');
      return existsSync(file) ? readFileSync(file, 'utf8') : '';
    },
    async end() {
      machine.kill('SIGKILL');
      await ended;
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const NEIGHBOURS = path.join(__dirname, 'neighbours.mjs');

/**
 * In the namespaces, before and after the root changes. cloud-init's stages and sshd in systemd's
 * order.
 */
const BOOT = `#!/bin/sh
set -e
folder=$1 node=$2 neighbours=$3
root=$folder/root
mount --make-rprivate /
ip link set lo up
ip address add 100.100.100.200/32 dev lo
"$node" "$neighbours" "$folder/ssh" "$folder/metadata.json" >"$folder/neighbours" &
until grep -qs ready "$folder/neighbours"; do kill -0 $! && sleep 0.05; done
mount -t proc proc "$root/proc"
mount --bind "$folder/sys" "$root/sys"
mount -t tmpfs none "$root/run"
mkdir -p "$root/run/sshd"
exec </dev/null env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" /bin/sh -c '
  cloud-init init --local
  cloud-init init
  /usr/sbin/sshd
  cloud-init modules --mode=config
  cloud-init modules --mode=final
  sleep 100000
' >"$folder/output" 2>&1
`;
