import { UsageError } from '../errors';

/** A flag as the command line takes it. */
export interface Flag {
  kind: 'bool' | 'string' | 'int';
  short?: string;
  usage: string;
  /** Understood, but not shown in help. */
  hidden?: boolean;
}

export type Flags = Readonly<Record<string, Flag>>;

/** The flags of one invocation. */
export class FlagValues {
  private readonly values = new Map<string, string>();

  set(name: string, value: string): void {
    this.values.set(name, value);
  }

  has(name: string): boolean {
    return this.values.has(name);
  }

  names(): string[] {
    return [...this.values.keys()].sort();
  }

  bool(name: string): boolean {
    return this.string(name) === 'true';
  }

  string(name: string): string | undefined {
    return this.values.get(name);
  }

  int(name: string): number | undefined {
    const text = this.string(name);
    return text === undefined ? undefined : Number(text);
  }
}

const BOOLEANS: Readonly<Record<string, string>> = {
  true: 'true',
  t: 'true',
  '1': 'true',
  false: 'false',
  f: 'false',
  '0': 'false',
};

/**
 * Reads the flags at the start of `words` as cobra does; returns how many words the flag took (0:
 * not a flag).
 * @throws UsageError for an unknown flag or a missing or malformed value
 */
export function readFlag(words: readonly string[], flags: Flags, values: FlagValues): number {
  const word = words[0]!;
  if (word === '-' || !word.startsWith('-')) return 0;
  return word.startsWith('--') ? readLong(words, flags, values) : readShort(words, flags, values);
}

function readLong(words: readonly string[], flags: Flags, values: FlagValues): number {
  const [name, ...rest] = words[0]!.slice(2).split('=');
  const flag = Object.hasOwn(flags, name!) ? flags[name!] : undefined;
  if (!flag) throw new UsageError(`unknown flag: --${name}`);
  if (rest.length > 0) {
    store(values, name!, flag, rest.join('='));
    return 1;
  }
  if (flag.kind === 'bool') return (values.set(name!, 'true'), 1);
  if (words.length < 2) throw new UsageError(`flag needs an argument: --${name}`);
  store(values, name!, flag, words[1]!);
  return 2;
}

function readShort(words: readonly string[], flags: Flags, values: FlagValues): number {
  const cluster = words[0]!.slice(1);
  for (let i = 0; i < cluster.length; i++) {
    const letter = cluster[i]!;
    const [name, flag] = Object.entries(flags).find(([, candidate]) => candidate.short === letter) ?? [];
    if (!name || !flag) throw new UsageError(`unknown shorthand flag: '${letter}' in -${cluster}`);
    const rest = cluster.slice(i + 1);
    if (rest.startsWith('=')) return (store(values, name, flag, rest.slice(1)), 1);
    if (flag.kind === 'bool') {
      values.set(name, 'true');
      continue;
    }
    if (rest) return (store(values, name, flag, rest), 1);
    if (words.length < 2) throw new UsageError(`flag needs an argument: '${letter}' in -${cluster}`);
    return (store(values, name, flag, words[1]!), 2);
  }
  return 1;
}

function store(values: FlagValues, name: string, flag: Flag, text: string): void {
  if (flag.kind === 'bool') {
    const value = BOOLEANS[text.toLowerCase()];
    if (value === undefined) throw malformed(name, flag, text, `strconv.ParseBool: parsing "${text}": invalid syntax`);
    values.set(name, value);
  } else if (flag.kind === 'int') {
    if (!/^[+-]?\d+$/.test(text))
      throw malformed(name, flag, text, `strconv.ParseInt: parsing "${text}": invalid syntax`);
    values.set(name, text);
  } else values.set(name, text);
}

function malformed(name: string, flag: Flag, text: string, reason: string): UsageError {
  const shown = flag.short ? `-${flag.short}, --${name}` : `--${name}`;
  return new UsageError(`invalid argument "${text}" for "${shown}" flag: ${reason}`);
}
