/**
 * Docker's way with flags: before the first operand only, `--name value`, `--name=value`, `-it`,
 * `-eK=V`.
 */
import { DockerError } from './errors';

export interface Flags {
  readonly operands: readonly string[];
  has(name: string): boolean;
  /** The last value given. */
  value(name: string): string | undefined;
  values(name: string): readonly string[];
}

/** A line such as `e env:` (short, long, a colon where it takes a value) for each flag. */
export type FlagTable = readonly string[];

interface Spec {
  readonly name: string;
  readonly takesValue: boolean;
}

/** @throws DockerError for a flag that the table doesn't have */
export function parseFlags(command: string, args: readonly string[], table: FlagTable, interspersed = false): Flags {
  const specs = specsOf(table);
  const found = new Map<string, string[]>();
  const operands: string[] = [];
  const rest = [...args];
  const add = (spec: Spec, value: string): void => void found.set(spec.name, [...(found.get(spec.name) ?? []), value]);
  const lookUp = (flag: string): Spec => {
    const spec = specs.get(flag.replace(/^-+/, ''));
    if (spec) return spec;
    const what = flag.startsWith('--')
      ? `unknown flag: ${flag}`
      : `unknown shorthand flag: '${flag.slice(1)}' in ${flag}`;
    throw new DockerError(`${what}\nSee 'docker ${command} --help'.`, 125);
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') {
      operands.push(...rest.splice(0));
    } else if (word.startsWith('--')) {
      const [, flag = '', inline] = /^(--[^=]+)(?:=(.*))?$/s.exec(word) ?? [];
      const spec = lookUp(flag);
      add(spec, inline ?? (spec.takesValue ? needed(rest.shift(), flag) : 'true'));
    } else if (/^-./.test(word)) {
      readShort(word, rest, lookUp, add);
    } else {
      operands.push(word);
      if (!interspersed) operands.push(...rest.splice(0));
    }
  }
  return {
    operands,
    has: (name) => ![undefined, 'false'].includes(found.get(name)?.at(-1)),
    value: (name) => found.get(name)?.at(-1),
    values: (name) => found.get(name) ?? [],
  };
}

function readShort(
  word: string,
  rest: string[],
  lookUp: (flag: string) => Spec,
  add: (spec: Spec, value: string) => void,
): void {
  for (let i = 1; i < word.length; i++) {
    const spec = lookUp(`-${word[i]}`);
    if (!spec.takesValue) add(spec, 'true');
    else {
      const inline = word.slice(i + 1).replace(/^=/, '');
      return add(spec, inline === '' ? needed(rest.shift(), `-${word[i]}`) : inline);
    }
  }
}

function specsOf(table: FlagTable): Map<string, Spec> {
  const specs = new Map<string, Spec>();
  for (const line of table) {
    const names = line.replace(/:$/, '').split(' ');
    const spec = { name: names.at(-1) ?? '', takesValue: line.endsWith(':') };
    for (const name of names) specs.set(name, spec);
  }
  return specs;
}

function needed(value: string | undefined, flag: string): string {
  if (value === undefined) throw new DockerError(`flag needs an argument: ${flag}`, 125);
  return value;
}
