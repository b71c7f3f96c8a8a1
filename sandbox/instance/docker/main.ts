/**
 * A stand-in for docker's command line where no daemon can be started. Its "containers" are processes of the instance: they share the
 * machine's programs, network and users, and a path is their own only below a volume or the working directory.
 * What it prints, and its exit codes, are a real docker's (held to one in the tests).
 */
import { readFileSync } from 'node:fs';
import { DockerError } from './errors';
import { parseFlags } from './flags';
import { format } from './format';
import { findImage, login, logout, pull } from './images';
import { cp, kill, logs, ps, remove, rm, startAgain, stop, wait } from './lifecycle';
import { network } from './network';
import { create, exec, run } from './run';
import { refreshed } from './processes';
import { containers, images, networks } from './store';

type Command = (args: readonly string[]) => Promise<number>;

const VERSION = '20.10.24';
const versions = {
  Client: { Version: VERSION, ApiVersion: '1.41', Os: 'linux', Arch: 'amd64' },
  Server: { Version: VERSION, ApiVersion: '1.41', Os: 'linux', Arch: 'amd64' },
};

const commands: Readonly<Record<string, Command>> = {
  ...{ run, create, exec, start: startAgain, stop, kill, rm, wait, logs, cp, ps, network },
  version: async (args) => {
    const template = parseFlags('version', args, ['f format:'], true).value('format');
    return print(
      template === undefined
        ? `Client:\n Version: ${VERSION}\n\nServer:\n Version: ${VERSION}`
        : format(template, versions),
    );
  },
  info: async (args) => {
    const template = parseFlags('info', args, ['f format:'], true).value('format');
    const info = {
      ServerVersion: VERSION,
      Driver: 'stand-in',
      Containers: containers.all().length,
      Images: images.all().length,
    };
    return print(template === undefined ? `Server:\n Server Version: ${VERSION}` : format(template, info));
  },
  pull: async (args) => {
    const flags = parseFlags('pull', args, ['q quiet', 'a all-tags', 'platform:', 'disable-content-trust'], true);
    const { RepoTags } = pull(flags.operands[0] ?? '');
    const name = RepoTags[0] ?? '';
    return print(flags.has('quiet') ? name : `Status: Downloaded newer image for ${name}\n${name}`);
  },
  login: async (args) => {
    const flags = parseFlags('login', args, ['u username:', 'p password:', 'password-stdin'], true);
    const password = flags.has('password-stdin')
      ? readFileSync(0, 'utf8').replace(/\r?\n$/, '')
      : (flags.value('password') ?? '');
    return print(login(flags.operands[0], flags.value('username') ?? '', password));
  },
  logout: async (args) => print(logout(args[0])),
  images: async (args) => {
    const flags = parseFlags('images', args, ['q quiet', 'a all', 'f filter:', 'format:', 'no-trunc'], true);
    const [wanted] = flags.operands;
    const listed = wanted === undefined ? images.all() : [findImage(wanted)].filter((image) => image !== undefined);
    for (const image of listed)
      print(flags.has('quiet') ? image.Id.slice(7, 19) : `${image.RepoTags.join(' ')}   ${image.Id.slice(7, 19)}`);
    return 0;
  },
  rmi: async (args) => {
    for (const name of parseFlags('rmi', args, ['f force', 'no-prune'], true).operands) {
      const image = findImage(name);
      if (!image) throw new DockerError(`Error: No such image: ${name}`);
      images.delete(image);
      print(`Untagged: ${image.RepoTags[0] ?? name}`);
    }
    return 0;
  },
  inspect: async (args) => {
    const flags = parseFlags('inspect', args, ['f format:', 'type:', 's size'], true);
    const find = (name: string): object | undefined => {
      const container = containers.find(name);
      return container ? refreshed(container) : (findImage(name) ?? networks.find(name));
    };
    return inspect(flags.operands, flags.value('format'), find, 'object');
  },
  image: async ([verb = '', ...args]) => {
    if (verb === 'inspect') {
      const flags = parseFlags('image inspect', args, ['f format:'], true);
      return inspect(flags.operands, flags.value('format'), findImage, 'image');
    }
    return sub('image', { ls: 'images', rm: 'rmi', pull: 'pull' }, verb, args);
  },
  container: async ([verb = '', ...args]) => {
    const same = Object.fromEntries(
      ['run', 'create', 'exec', 'start', 'stop', 'kill', 'rm', 'wait', 'logs', 'cp', 'inspect'].map((name) => [
        name,
        name,
      ]),
    );
    return sub('container', { ...same, ls: 'ps' }, verb, args);
  },
};

function sub(
  group: string,
  verbs: Readonly<Record<string, string>>,
  verb: string,
  args: readonly string[],
): Promise<number> {
  const command = commands[verbs[verb] ?? ''];
  if (!command) throw new DockerError(`docker: the stand-in knows no '${group} ${verb}'`);
  return command(args);
}

/** What is found is printed, for what isn't found there is an error, and both at once. */
function inspect(
  names: readonly string[],
  template: string | undefined,
  find: (name: string) => object | undefined,
  kind: string,
): number {
  const found = names.map(find).filter((entry) => entry !== undefined);
  const missing = names.filter((name) => find(name) === undefined);
  print(
    template === undefined
      ? JSON.stringify(found, undefined, 4)
      : found.map((entry) => format(template, entry)).join('\n'),
  );
  for (const name of missing) process.stderr.write(`Error: No such ${kind}: ${name}\n`);
  return missing.length > 0 ? 1 : 0;
}

function print(line: string): number {
  process.stdout.write(`${line}\n`);
  return 0;
}

/** There is no daemon that would remove what ended in the background and was started with --rm. */
async function sweep(): Promise<void> {
  const over = containers.all().filter((each) => each.HostConfig.AutoRemove && each.State.Running);
  for (const container of over) if (!refreshed(container).State.Running) await remove(container, true);
}

async function main(args: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = args;
  if (name === '--version' || name === '-v') return print(`Docker version ${VERSION}, build stand-in`);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw new DockerError(`docker: '${name}' is not a docker command.\nSee 'docker --help'`);
  await sweep();
  return command(rest);
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof DockerError ? error.exitCode : 1;
  },
);
