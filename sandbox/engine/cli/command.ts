import { type Environment } from '../project/paths';
import { type Clock } from '../clock';
import { type Flags, type FlagValues } from './flags';

/** What a command gets of the world. */
export interface Invocation {
  flags: FlagValues;
  /** The words that are no flags. */
  args: string[];
  env: Environment;
  /** The working directory, after `--cwd`. */
  cwd: string;
  clock: Clock;
  out(text: string): void;
  err(text: string): void;
}

/** Runs a command; what it throws becomes `error: …` and an exit code. */
export type Run = (invocation: Invocation) => Promise<void>;

/** A command or a group of them. */
export interface Command {
  name: string;
  aliases?: string[];
  short: string;
  flags?: Flags;
  /** Flags that the commands below it take as well. */
  inherited?: Flags;
  args?: { names: string[]; required: number };
  /** Loads what the command needs, only when it runs. */
  load?: () => Promise<Run>;
  commands?: Command[];
}
