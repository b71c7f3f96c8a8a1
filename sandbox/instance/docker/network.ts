/** `docker network`: names that containers may be in; all share the machine's own network. */
import { DockerError, noSuch } from './errors';
import { parseFlags } from './flags';
import { format } from './format';
import { labelsOf } from './run';
import { containers, networks, newId } from './store';

export async function network([verb = '', ...args]: readonly string[]): Promise<number> {
  if (verb === 'create') return create(args);
  if (verb === 'rm') return remove(args);
  if (verb === 'ls') return list(args);
  if (verb === 'inspect') return inspect(args);
  if (verb === 'connect' || verb === 'disconnect') return 0;
  throw new DockerError(`docker: the stand-in knows no 'network ${verb}'`);
}

function create(args: readonly string[]): number {
  const flags = parseFlags(
    'network create',
    args,
    ['d driver:', 'label:', 'o opt:', 'subnet:', 'gateway:', 'internal', 'ipv6', 'attachable'],
    true,
  );
  const [Name = ''] = flags.operands;
  if (networks.find(Name))
    throw new DockerError(`Error response from daemon: network with name ${Name} already exists`);
  const { Id } = networks.put({ Id: newId(), Name, Labels: labelsOf(flags.values('label')) });
  process.stdout.write(`${Id}\n`);
  return 0;
}

function remove(args: readonly string[]): number {
  for (const name of parseFlags('network rm', args, ['f force'], true).operands) {
    const found = networks.find(name);
    if (!found) throw noSuch('network', name);
    const used = containers
      .all()
      .some((container) => found.Name in container.NetworkSettings.Networks && container.State.Running);
    if (used)
      throw new DockerError(
        `Error response from daemon: error while removing network: network ${found.Name} id ${found.Id} has active endpoints`,
      );
    networks.delete(found);
    process.stdout.write(`${name}\n`);
  }
  return 0;
}

function list(args: readonly string[]): number {
  const flags = parseFlags('network ls', args, ['q quiet', 'f filter:', 'format:', 'no-trunc'], true);
  const matching = networks.all().filter((each) =>
    flags.values('filter').every((filter) => {
      const [, key, value = ''] = /^([^=]*)=(.*)$/s.exec(filter) ?? [];
      if (key === 'label')
        return value.includes('=')
          ? each.Labels[value.replace(/=.*$/s, '')] === value.replace(/^[^=]*=/s, '')
          : value in each.Labels;
      return key !== 'name' || each.Name.includes(value);
    }),
  );
  const template = flags.has('quiet') ? '{{.ID}}' : (flags.value('format') ?? '{{.ID}}   {{.Name}}   bridge    local');
  for (const { Id, Name } of matching) {
    const ID = flags.has('no-trunc') ? Id : Id.slice(0, 12);
    process.stdout.write(`${format(template, { ID, Name, Driver: 'bridge', Scope: 'local' })}\n`);
  }
  return 0;
}

function inspect(args: readonly string[]): number {
  const flags = parseFlags('network inspect', args, ['f format:', 'v verbose'], true);
  const found = flags.operands.map((name) => networks.find(name)).filter((each) => each !== undefined);
  const template = flags.value('format');
  process.stdout.write(
    `${template === undefined ? JSON.stringify(found, undefined, 4) : found.map((each) => format(template, each)).join('\n')}\n`,
  );
  const missing = flags.operands.filter((name) => !networks.find(name));
  for (const name of missing) process.stderr.write(`Error: No such network: ${name}\n`);
  return missing.length > 0 ? 1 : 0;
}
