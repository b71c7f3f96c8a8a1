/** What happens to containers after their start: stop, kill, rm, wait, logs, cp, and what lists them. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DockerError, noSuch } from './errors';
import { parseFlags } from './flags';
import { format } from './format';
import { killAll, pathInside, processesOf, refreshed, signalAll, statusFile, startDetached } from './processes';
import { containers, folderOf, type Container } from './store';

const POLL_MS = 20;
const STOP_TIMEOUT_S = 10;

function get(name: string): Container {
  const container = containers.find(name);
  if (!container) throw noSuch('container', name);
  return refreshed(container);
}

function daemonGet(name: string, prefix = ''): Container {
  const container = containers.find(name);
  if (!container) throw new DockerError(`Error response from daemon: ${prefix}No such container: ${name}`);
  return refreshed(container);
}

export async function remove(container: Container, force: boolean): Promise<void> {
  if (refreshed(container).State.Running && !force) {
    throw new DockerError(
      `Error response from daemon: You cannot remove a running container ${container.Id}. Stop the container before attempting removal or force remove`,
    );
  }
  await killAll(container);
  rmSync(folderOf(container), { recursive: true, force: true });
  containers.delete(container);
}

export async function rm(args: readonly string[]): Promise<number> {
  const flags = parseFlags('rm', args, ['f force', 'v volumes', 'l link'], true);
  let code = 0;
  for (const name of flags.operands) {
    const container = containers.find(name);
    if (container) {
      await remove(container, flags.has('force'));
      process.stdout.write(`${name}\n`);
    } else {
      process.stderr.write(`Error: No such container: ${name}\n`);
      if (!flags.has('force')) code = 1;
    }
  }
  return code;
}

export async function startAgain(args: readonly string[]): Promise<number> {
  const flags = parseFlags('start', args, ['a attach', 'i interactive'], true);
  for (const name of flags.operands) {
    const container = containers.find(name);
    if (!container) {
      throw new DockerError(
        `Error response from daemon: No such container: ${name}\nError: failed to start containers: ${name}`,
      );
    }
    if (refreshed(container).State.Running) continue;
    rmSync(statusFile(container), { force: true });
    if (flags.has('attach')) {
      const { attached } = await import('./run');
      return attached(container, flags.has('interactive'));
    }
    startDetached(container);
    process.stdout.write(`${name}\n`);
  }
  return 0;
}

export async function stop(args: readonly string[]): Promise<number> {
  const flags = parseFlags('stop', args, ['t time:', 's signal:'], true);
  for (const name of flags.operands) {
    const container = daemonGet(name);
    signalAll(container, 'SIGTERM');
    const deadline = Date.now() + 1000 * Number(flags.value('time') ?? STOP_TIMEOUT_S);
    while (processesOf(container).length > 0 && Date.now() < deadline) await delay(POLL_MS);
    await killAll(container);
    process.stdout.write(`${name}\n`);
  }
  return 0;
}

export async function kill(args: readonly string[]): Promise<number> {
  const flags = parseFlags('kill', args, ['s signal:'], true);
  const signal = `SIG${(flags.value('signal') ?? 'KILL').replace(/^SIG/, '')}` as NodeJS.Signals;
  for (const name of flags.operands) {
    const container = daemonGet(name, `Cannot kill container: ${name}: `);
    if (!container.State.Running) {
      throw new DockerError(
        `Error response from daemon: Cannot kill container: ${name}: Container ${container.Id} is not running`,
      );
    }
    if (signal === 'SIGKILL') await killAll(container);
    else signalAll(container, signal);
    process.stdout.write(`${name}\n`);
  }
  return 0;
}

export async function wait(args: readonly string[]): Promise<number> {
  for (const name of args) {
    daemonGet(name);
    while (daemonGet(name).State.Running) await delay(POLL_MS);
    process.stdout.write(`${daemonGet(name).State.ExitCode}\n`);
  }
  return 0;
}

export async function logs(args: readonly string[]): Promise<number> {
  const flags = parseFlags('logs', args, ['f follow', 't timestamps', 'n tail:', 'since:', 'until:', 'details'], true);
  const container = get(flags.operands[0] ?? '');
  const file = path.join(folderOf(container), 'log');
  const read = (): Buffer => (existsSync(file) ? readFileSync(file) : Buffer.alloc(0));
  const tail = flags.value('tail');
  let seen = read();
  process.stdout.write(tail === undefined || tail === 'all' ? seen : lastLines(seen.toString(), Number(tail)));
  while (flags.has('follow') && containers.find(container.Id) && refreshed(container).State.Running) {
    await delay(POLL_MS);
    const now = read();
    process.stdout.write(now.subarray(seen.length));
    seen = now;
  }
  return 0;
}

function lastLines(text: string, count: number): string {
  const lines = text.split(/(?<=\n)/);
  return count === 0 ? '' : lines.slice(-count).join('');
}

export async function cp(args: readonly string[]): Promise<number> {
  const flags = parseFlags('cp', args, ['a archive', 'L follow-link', 'q quiet'], true);
  const [from = '', to = ''] = flags.operands.map(located);
  if (!existsSync(from)) throw new DockerError(`Error response from daemon: Could not find the file ${from}`);
  const target = existsSync(to) && !from.endsWith('/.') ? path.join(to, path.basename(from)) : to;
  mkdirSync(path.dirname(target), { recursive: true });
  cpSync(from, target, { recursive: true });
  return 0;
}

/** `CONTAINER:PATH` or a path of this machine. */
function located(place: string): string {
  const [, name, inside] = /^([a-zA-Z0-9][\w.-]+):(.*)$/s.exec(place) ?? [];
  return name === undefined || inside === undefined ? place : pathInside(get(name), inside);
}

export async function ps(args: readonly string[]): Promise<number> {
  const flags = parseFlags(
    'ps',
    args,
    ['a all', 'q quiet', 'no-trunc', 'f filter:', 'format:', 'n last:', 'l latest', 's size'],
    true,
  );
  const listed = containers
    .all()
    .map(refreshed)
    .filter(
      (container) =>
        (flags.has('all') || container.State.Running) &&
        flags.values('filter').every((filter) => matches(container, filter)),
    );
  const id = (container: Container): string => (flags.has('no-trunc') ? container.Id : container.Id.slice(0, 12));
  const template = flags.has('quiet')
    ? '{{.ID}}'
    : (flags.value('format') ?? '{{.ID}}   {{.Image}}   {{.Status}}   {{.Names}}');
  if (!flags.has('quiet') && flags.value('format') === undefined)
    process.stdout.write('CONTAINER ID   IMAGE   STATUS   NAMES\n');
  for (const container of listed) {
    const { Config, State, Name } = container;
    const row = {
      ID: id(container),
      Image: Config.Image,
      State: State.Status,
      Status: State.Running ? 'Up' : `Exited (${State.ExitCode})`,
      Names: Name.slice(1),
    };
    process.stdout.write(`${format(template, row)}\n`);
  }
  return 0;
}

function matches(container: Container, filter: string): boolean {
  const [, key = '', value = ''] = /^([^=]*)=(.*)$/s.exec(filter) ?? [];
  const { Labels } = container.Config;
  if (key === 'label')
    return value.includes('=') ? Labels[value.replace(/=.*$/s, '')] === value.replace(/^[^=]*=/s, '') : value in Labels;
  if (key === 'name') return new RegExp(value).test(container.Name) || new RegExp(value).test(container.Name.slice(1));
  if (key === 'id') return container.Id.startsWith(value);
  if (key === 'status') return container.State.Status === value;
  if (key === 'network') return value in container.NetworkSettings.Networks;
  throw new DockerError(`Error response from daemon: Invalid filter '${key}'`);
}
