import { UsageError } from '../errors';
import { type Command } from './command';
import { FlagValues, readFlag, type Flags } from './flags';

/** A command line, understood. */
export interface ParsedLine {
  command: Command;
  /** The commands above it and itself. */
  path: Command[];
  flags: FlagValues;
  args: string[];
  /** All flags that the command takes. */
  known: Flags;
}

/**
 * Finds the command that a line means and its flags, in whatever order they stand; throws
 * UsageError.
 */
export function parseLine(root: Command, words: readonly string[]): ParsedLine {
  const path = findCommand(root, words);
  const command = path[path.length - 1]!;
  const known: Flags = Object.assign({}, ...path.map((step) => step.inherited ?? {}), command.flags ?? {}) as Flags;
  const { flags, args } = split(words, known, path.slice(1));
  if (command.commands && !flags.bool('help')) {
    const unknown = args[0];
    if (unknown !== undefined && (!command.load || !command.args)) throw unknownCommand(path, unknown);
  }
  return { command, path, flags, args, known };
}

/** Checks the number of words; throws UsageError. */
export function checkArgs({ command, args, path }: ParsedLine): void {
  const { names, required } = command.args ?? { names: [], required: 0 };
  const variadic = names.at(-1)?.endsWith('...') ?? false;
  if (args.length < required) {
    const expects = required === names.length && !variadic ? `${required}` : `at least ${required}`;
    throw new UsageError(
      expects.startsWith('at')
        ? `requires ${expects} arg(s), only received ${args.length}`
        : `accepts ${expects} arg(s), received ${args.length}`,
    );
  }
  if (!variadic && args.length > names.length) {
    if (path.length === 1) throw unknownCommand(path, args[0]!);
    const expects = required === names.length ? `${names.length}` : `at most ${names.length}`;
    throw new UsageError(`accepts ${expects} arg(s), received ${args.length}`);
  }
}

function findCommand(root: Command, words: readonly string[]): Command[] {
  const path = [root];
  // Which flags take a value is asked of all commands, since the command is not known yet.
  const everyFlag = collectFlags(root);
  for (let i = 0; i < words.length;) {
    const word = words[i]!;
    if (word === '--') break;
    const taken = tolerantFlag(words.slice(i), everyFlag);
    if (taken > 0) {
      i += taken;
      continue;
    }
    const next = path[path.length - 1]!.commands?.find(
      (command) => command.name === word || command.aliases?.includes(word),
    );
    if (!next) break;
    path.push(next);
    i++;
  }
  return path;
}

function tolerantFlag(words: readonly string[], flags: Flags): number {
  try {
    return readFlag(words, flags, new FlagValues());
  } catch {
    return 1;
  }
}

function collectFlags(command: Command): Flags {
  return Object.assign(
    {},
    ...(command.commands ?? []).map(collectFlags),
    command.flags ?? {},
    command.inherited ?? {},
  ) as Flags;
}

function split(
  words: readonly string[],
  known: Flags,
  subcommands: readonly Command[],
): { flags: FlagValues; args: string[] } {
  const flags = new FlagValues();
  const args: string[] = [];
  const names = [...subcommands];
  for (let i = 0; i < words.length;) {
    const word = words[i]!;
    if (word === '--') {
      args.push(...words.slice(i + 1));
      break;
    }
    const taken = readFlag(words.slice(i), known, flags);
    if (taken === 0) {
      if (names.length > 0) names.shift();
      else args.push(word);
    }
    i += taken || 1;
  }
  return { flags, args };
}

function unknownCommand(path: readonly Command[], word: string): UsageError {
  const command = path.map(({ name }) => name).join(' ');
  return new UsageError(`unknown command "${word}" for "${command}"\nRun '${command} --help' for usage.`);
}
