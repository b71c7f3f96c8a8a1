/** `docker run`, `create` and `exec`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { DockerError, noSuch, runError } from './errors';
import { parseFlags, type Flags } from './flags';
import { findImage, pull } from './images';
import { commandOf, keepStatus, killAll, refreshed, start, startDetached } from './processes';
import { containers, networks, newId, type Container } from './store';
import { remove } from './lifecycle';

const ENVIRONMENT_FLAGS = [
  'e env:',
  'env-file:',
  'i interactive',
  't tty',
  'u user:',
  'w workdir:',
  'd detach',
  'privileged',
];
const RUN_FLAGS = [
  ...ENVIRONMENT_FLAGS,
  ...['rm', 'init', 'read-only', 'P publish-all', 'q quiet', 'sig-proxy', 'no-healthcheck', 'oom-kill-disable'],
  ...[
    'name:',
    'v volume:',
    'mount:',
    'network:',
    'net:',
    'network-alias:',
    'alias:',
    'link:',
    'h hostname:',
    'l label:',
  ],
  ...['entrypoint:', 'pull:', 'cidfile:', 'p publish:', 'expose:', 'restart:', 'stop-signal:', 'stop-timeout:', 'ip:'],
  ...['cpus:', 'm memory:', 'memory-swap:', 'shm-size:', 'cap-add:', 'cap-drop:', 'security-opt:', 'device:', 'tmpfs:'],
  ...[
    'add-host:',
    'dns:',
    'ulimit:',
    'sysctl:',
    'userns:',
    'pid:',
    'ipc:',
    'platform:',
    'runtime:',
    'gpus:',
    'log-driver:',
  ],
  ...[
    'log-opt:',
    'health-cmd:',
    'health-interval:',
    'health-retries:',
    'health-timeout:',
    'group-add:',
    'cgroup-parent:',
    'isolation:',
  ],
];

/** @returns the exit code of docker itself */
export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags('run', args, RUN_FLAGS);
  const container = make(flags);
  if (flags.has('detach')) {
    startDetached(container);
    process.stdout.write(`${container.Id}\n`);
    return 0;
  }
  return attached(container, flags.has('interactive'));
}

export async function create(args: readonly string[]): Promise<number> {
  process.stdout.write(`${make(parseFlags('create', args, RUN_FLAGS)).Id}\n`);
  return 0;
}

/** In the foreground: our streams are the container's, our signals go to it, its exit code is ours. */
export async function attached(container: Container, interactive: boolean): Promise<number> {
  // Before the start: the command may be quick to say that it is ready for a signal.
  let pid = 0;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => process.kill(pid, signal));
  const started = start(container, {
    argv: commandOf(container),
    stdio: [interactive ? 'inherit' : 'ignore', 'inherit', 'inherit'],
  });
  pid = started.pid;
  const StartedAt = new Date().toISOString();
  const running = containers.put({
    ...container,
    State: { ...container.State, Status: 'running', Running: true, Pid: pid, StartedAt },
  });
  const code = await started.exit;
  const exitCode = code === 'missing' ? 127 : code;
  // As with a container's first process, the others don't outlive it.
  await killAll(running);
  keepStatus(running, exitCode);
  containers.put(refreshed(running));
  if (container.HostConfig.AutoRemove) await remove(running, true);
  if (code === 'missing')
    throw runError(
      missing('failed to create shim task: OCI runtime create failed: runc create failed', container),
      127,
    );
  return exitCode;
}

function missing(what: string, container: Container): string {
  const [name = ''] = commandOf(container);
  return `${what}: unable to start container process: exec: "${name}": executable file not found in $PATH: unknown.`;
}

function make(flags: Flags): Container {
  const [imageName, ...command] = flags.operands;
  if (imageName === undefined)
    throw new DockerError('"docker run" requires at least 1 argument.\nSee \'docker run --help\'.');
  const image = imageFor(imageName, flags.value('pull') ?? 'missing');
  const name = flags.value('name') ?? `container-${newId().slice(0, 12)}`;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    throw runError(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed.`);
  }
  const same = containers.find(`/${name}`);
  if (same) {
    throw runError(
      `Conflict. The container name "/${name}" is already in use by container "${same.Id}". You have to remove (or rename) that container to be able to reuse that name.`,
    );
  }
  const network = flags.value('network') ?? flags.value('net') ?? 'bridge';
  if (
    !['bridge', 'host', 'none', 'default'].includes(network) &&
    !network.startsWith('container:') &&
    !networks.find(network)
  ) {
    throw runError(`network ${network} not found.`);
  }
  const entrypoint = flags.value('entrypoint');
  const Id = newId();
  const cidFile = flags.value('cidfile');
  if (cidFile !== undefined) writeFileSync(cidFile, Id);
  return containers.put({
    Id,
    Name: `/${name}`,
    Created: new Date().toISOString(),
    Config: {
      Image: imageName,
      Env: [...image.Config.Env, ...environmentFlags(flags)],
      // An image's command goes with its entrypoint: a new one loses it.
      Cmd: command.length > 0 || entrypoint ? command : image.Config.Cmd,
      Entrypoint: entrypoint ? [entrypoint] : image.Config.Entrypoint,
      WorkingDir: flags.value('workdir') ?? '',
      User: flags.value('user') ?? image.Config.User,
      Hostname: flags.value('hostname') ?? Id.slice(0, 12),
      Labels: labelsOf(flags.values('label')),
      OpenStdin: flags.has('interactive'),
    },
    HostConfig: { Binds: binds(flags), AutoRemove: flags.has('rm'), NetworkMode: network },
    NetworkSettings: {
      IPAddress: '127.0.0.1',
      Networks: { [network]: { Aliases: flags.values('network-alias'), IPAddress: '127.0.0.1' } },
    },
    State: { Status: 'created', Running: false, Pid: 0, ExitCode: 0, StartedAt: '0001-01-01T00:00:00Z' },
  });
}

function imageFor(name: string, policy: string): NonNullable<ReturnType<typeof findImage>> {
  const present = policy === 'always' ? undefined : findImage(name);
  if (present) return present;
  if (policy === 'never') throw runError(`No such image: ${name}.`);
  process.stderr.write(`Unable to find image '${name}' locally\n`);
  try {
    return pull(name);
  } catch (error) {
    throw runError(`${(error as Error).message.replace(/^Error response from daemon: /, '')}.`);
  }
}

export function labelsOf(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => [label.replace(/=.*$/s, ''), label.includes('=') ? label.replace(/^[^=]*=/, '') : '']),
  );
}

function environmentFlags(flags: Flags): readonly string[] {
  const lines = flags.values('env-file').flatMap((file) => readFileSync(file, 'utf8').split('\n'));
  return [...lines.filter((line) => line !== '' && !line.startsWith('#')), ...flags.values('env')];
}

function binds(flags: Flags): readonly string[] {
  const mounts = flags.values('mount').map((mount) => {
    const field = (...names: string[]): string =>
      new RegExp(`(?:^|,)(?:${names.join('|')})=([^,]*)`).exec(mount)?.[1] ?? '';
    return `${field('source', 'src')}:${field('target', 'destination', 'dst')}`;
  });
  return [...flags.values('volume'), ...mounts].filter((bind) => bind.startsWith('/') && bind.includes(':'));
}

/** A command beside the container's own: with its environment, until the container ends. */
export async function exec(args: readonly string[]): Promise<number> {
  const flags = parseFlags('exec', args, ENVIRONMENT_FLAGS);
  const [name = '', ...argv] = flags.operands;
  const found = containers.find(name);
  if (!found) throw noSuch('container', name);
  const container = refreshed(found);
  if (!container.State.Running)
    throw new DockerError(`Error response from daemon: Container ${container.Id} is not running`);
  const { exit } = start(container, {
    argv,
    environment: environmentFlags(flags),
    workingDirectory: flags.value('workdir'),
    stdio: flags.has('detach') ? 'ignore' : [flags.has('interactive') ? 'inherit' : 'ignore', 'inherit', 'inherit'],
  });
  if (flags.has('detach')) return 0;
  const code = await exit;
  if (code !== 'missing') return code;
  process.stdout.write(
    `OCI runtime exec failed: exec failed: unable to start container process: exec: "${argv[0] ?? ''}": executable file not found in $PATH: unknown\n`,
  );
  return 126;
}
