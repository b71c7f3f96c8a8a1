import { type Command } from './command';
import { type Flag, type Flags } from './flags';

/** What `--help` prints. */
export function helpText(path: readonly Command[]): string {
  const command = path[path.length - 1]!;
  const name = path.map((step) => step.name).join(' ');
  const words =
    command.args?.names.map((arg, i) => (i < command.args!.required ? ` <${arg}>` : ` [${arg}]`)).join('') ?? '';
  const inherited: Flags = Object.assign({}, ...path.map((step) => step.inherited ?? {})) as Flags;
  const sections = [
    command.short,
    `Usage:\n  ${name}${command.commands && !command.load ? ' [command]' : `${words} [flags]`}`,
  ];
  if (command.aliases) sections.push(`Aliases:\n  ${[command.name, ...command.aliases].join(', ')}`);
  if (command.commands)
    sections.push(`Available Commands:\n${table(command.commands.map(({ name: n, short }) => [n, short]))}`);
  if (command.flags) sections.push(`Flags:\n${flagTable(command.flags)}`);
  if (Object.keys(inherited).length > 0) sections.push(`Global Flags:\n${flagTable(inherited)}`);
  return `${sections.join('\n\n')}\n`;
}

function flagTable(flags: Flags): string {
  const shown = Object.entries(flags).filter(([, flag]) => !flag.hidden);
  return table(shown.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, flag]) => [flagName(name, flag), flag.usage]));
}

function flagName(name: string, { short, kind }: Flag): string {
  const type = { bool: '', string: ' string', int: ' int' }[kind];
  return `${short ? `-${short}, ` : '    '}--${name}${type}`;
}

function table(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `  ${first.padEnd(width)}   ${second}`).join('\n');
}
