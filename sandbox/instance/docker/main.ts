/**
 * A stand-in for docker's command line where no daemon can be started: what the executor asks of
 * docker, and no more. Its "containers" have processes of their own, but share the instance's
 * programs, network and users; a path is their own only below a volume or the working directory.
 * What it prints, and its exit codes, are a real docker's (held to one in the tests).
 */
import { DockerError } from './errors';
import { create, exec, findImage, inspect, logs, print, ps, pull, rm, run, startAgain } from './containers';
import { parseFlags } from './flags';
import { networks, newId } from './store';

type Command = (args: readonly string[]) => Promise<number>;

const VERSION = '20.10.24';

const commands: Readonly<Record<string, Command>> = {
  ...{ run, create, exec, start: startAgain, rm, logs, ps, inspect },
  version: async (args) => {
    parseFlags('version', args, ['f format:'], true);
    return print(VERSION);
  },
  pull: async (args) => print(pull(parseFlags('pull', args, ['q quiet', 'platform:'], true).operands[0] ?? '').Name),
  'image inspect': async ([name = '']) => {
    const image = findImage(name);
    print(JSON.stringify(image ? [image] : []));
    if (!image) throw new DockerError(`Error: No such image: ${name}`);
    return 0;
  },
  'network create': async (args) => {
    const [Name = ''] = parseFlags('network create', args, ['subnet:'], true).operands;
    if (networks.find(Name))
      throw new DockerError(`Error response from daemon: network with name ${Name} already exists`);
    return print(networks.put({ Id: newId(), Name }).Id);
  },
  'network rm': async ([name = '']) => {
    const network = networks.find(name);
    if (!network) throw new DockerError(`Error: No such network: ${name}`);
    networks.delete(network);
    return print(name);
  },
};

async function main([name = 'help', ...rest]: readonly string[]): Promise<number> {
  const group = commands[`${name} ${rest[0]}`];
  const command = group ?? (Object.hasOwn(commands, name) ? commands[name] : undefined);
  if (!command) throw new DockerError(`docker: '${name}' is not a docker command.\nSee 'docker --help'`);
  return command(group ? rest.slice(1) : rest);
}

main(process.argv.slice(2)).then(
  // What was started in the background must not hold its starter.
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof DockerError ? error.exitCode : 1);
  },
);
