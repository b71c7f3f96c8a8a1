/** `docker run`, `create`, `start`, `exec`, and what asks for containers or removes them. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { DockerError, runError } from './errors';
import { parseFlags, type Flags } from './flags';
import { exitOf, firstProcess, kill, logFile, start, startBeside, startDetached } from './processes';
import { containers, folderOf, images, networks, newId, type Container, type Image } from './store';

const CREATE_FLAGS = [
  ...['name:', 'e env:', 'env-file:', 'i interactive', 'v volume:', 'network:', 'network-alias:', 'log-driver:'],
  ...['entrypoint:', 'u user:', 'platform:', 'privileged'],
];
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** `run --detach` alone: nothing waits for a container that `run` started. */
export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags('run', args, [...CREATE_FLAGS, 'd detach']);
  if (!flags.has('detach')) throw new DockerError('docker: the stand-in runs containers with --detach alone', 125);
  const container = make(flags);
  await startDetached(container);
  return print(container.Id);
}

export async function create(args: readonly string[]): Promise<number> {
  return print(make(parseFlags('create', args, CREATE_FLAGS)).Id);
}

/** `start --attach --interactive`: our streams are the container's, its exit code is ours. */
export async function startAgain(args: readonly string[]): Promise<number> {
  const flags = parseFlags('start', args, ['a attach', 'i interactive'], true);
  const container = get(flags.operands[0] ?? '', 'Error response from daemon: ');
  if (!flags.has('attach')) throw new DockerError('docker: the stand-in starts containers with --attach alone');
  const input = flags.has('interactive') && container.Config.OpenStdin ? 'inherit' : 'ignore';
  return exitOf(await start(container, [input, 'inherit', 'inherit']));
}

/** Every image can be pulled: there is no registry. */
export function pull(name: string): Image {
  return findImage(name) ?? images.put({ Id: newId(), Name: fullName(name) });
}

export function findImage(name: string): Image | undefined {
  return images.find(fullName(name));
}

/** With its tag: `alpine` is `alpine:latest`. */
function fullName(name: string): string {
  return /(?::[\w.-]+|@sha256:[0-9a-f]+)$/.test(name) ? name : `${name}:latest`;
}

function make(flags: Flags): Container {
  const [image, ...command] = flags.operands;
  if (image === undefined)
    throw new DockerError('"docker run" requires at least 1 argument.\nSee \'docker run --help\'.');
  pull(image);
  const Id = newId();
  const name = flags.value('name') ?? `container-${Id.slice(0, 12)}`;
  const same = containers.find(name);
  if (same) {
    throw runError(
      `Conflict. The container name "/${name}" is already in use by container "${same.Id}". You have to remove (or rename) that container to be able to reuse that name.`,
    );
  }
  const network = flags.value('network') ?? 'bridge';
  if (network !== 'bridge' && !networks.find(network)) throw runError(`network ${network} not found.`);
  const entrypoint = flags.value('entrypoint');
  return containers.put({
    Id,
    Name: name,
    Config: {
      Image: image,
      Env: [PATH, ...environmentOf(flags)],
      // An image's command goes with its entry point: a new one loses it.
      Cmd: command.length > 0 || entrypoint ? command : ['sh'],
      Entrypoint: entrypoint ? [entrypoint] : [],
      OpenStdin: flags.has('interactive'),
    },
    HostConfig: { Binds: flags.values('volume').filter((bind) => bind.startsWith('/')) },
    NetworkSettings: { Networks: { [network]: { IPAddress: '127.0.0.1' } } },
  });
}

/** A name alone takes the client's own value. */
function environmentOf(flags: Flags): readonly string[] {
  const lines = flags.values('env-file').flatMap((file) => readFileSync(file, 'utf8').split('\n'));
  return [...lines.filter((line) => line !== ''), ...flags.values('env')].map((entry) =>
    entry.includes('=') ? entry : `${entry}=${process.env[entry] ?? ''}`,
  );
}

/** A command beside the container's own: with its environment, until the container ends. */
export async function exec(args: readonly string[]): Promise<number> {
  const flags = parseFlags('exec', args, ['i interactive', 'u user:']);
  const [name = '', ...argv] = flags.operands;
  const container = get(name, 'Error response from daemon: ');
  const pid = firstProcess(container);
  if (pid === undefined) throw new DockerError(`Error response from daemon: Container ${container.Id} is not running`);
  return exitOf(
    startBeside(pid, container, argv, [flags.has('interactive') ? 'inherit' : 'ignore', 'inherit', 'inherit']),
  );
}

export async function rm(args: readonly string[]): Promise<number> {
  const flags = parseFlags('rm', args, ['f force', 'v volumes'], true);
  let code = 0;
  for (const name of flags.operands) {
    const container = containers.find(name);
    if (container && firstProcess(container) !== undefined && !flags.has('force')) {
      throw new DockerError(
        `Error response from daemon: You cannot remove a running container ${container.Id}. Stop the container before attempting removal or force remove`,
      );
    }
    if (!container) {
      process.stderr.write(`Error: No such container: ${name}\n`);
      if (!flags.has('force')) code = 1;
      continue;
    }
    await kill(container);
    rmSync(folderOf(container), { recursive: true, force: true });
    containers.delete(container);
    print(name);
  }
  return code;
}

/** `ps --all --quiet`, by a part of the name. */
export async function ps(args: readonly string[]): Promise<number> {
  const flags = parseFlags('ps', args, ['a all', 'q quiet', 'f filter:'], true);
  const wanted = flags.values('filter').map((filter) => filter.replace(/^name=/, ''));
  for (const container of containers.all()) {
    const isListed = flags.has('all') || firstProcess(container) !== undefined;
    if (isListed && wanted.every((part) => container.Name.includes(part))) print(container.Id.slice(0, 12));
  }
  return 0;
}

export async function logs(args: readonly string[]): Promise<number> {
  const flags = parseFlags('logs', args, ['n tail:'], true);
  const file = logFile(get(flags.operands[0] ?? ''));
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split(/(?<=\n)/) : [];
  process.stdout.write(lines.slice(-Number(flags.value('tail') ?? lines.length)).join(''));
  return 0;
}

export async function inspect(args: readonly string[]): Promise<number> {
  const flags = parseFlags('inspect', args, ['f format:'], true);
  const container = containers.find(flags.operands[0] ?? '');
  if (!container) throw new DockerError(`Error: No such object: ${flags.operands[0] ?? ''}`);
  if (flags.value('format') !== '{{json .}}') throw new DockerError('docker: the stand-in formats as {{json .}} alone');
  return print(JSON.stringify({ ...container, State: { Running: firstProcess(container) !== undefined } }));
}

function get(name: string, prefix = 'Error: '): Container {
  const container = containers.find(name);
  if (!container) throw new DockerError(`${prefix}No such container: ${name}`);
  return container;
}

export function print(line: string): number {
  process.stdout.write(`${line}\n`);
  return 0;
}
