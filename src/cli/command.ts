import { existsSync } from 'node:fs';
import type { Argv, CommandModule } from 'yargs';
import { outcomeOf } from '../hooks/outcome';
import { giveToOwner } from '../host/give-to-owner';
import { printable, printableLines } from '../printable';
import { checkSettings, notConfigured, readSettings, type SettingsNeeds } from '../settings/settings';
import type { Settings } from '../settings/types';
import { fold } from './prose';
import { fitTables } from './table';

/** What every command is given: settings, where to print, and that it was told to end. */
export interface CommandContext {
  readonly settings: Settings;
  /** Standard output: what was asked for, and nothing else. */
  readonly out: (text: string) => void;
  /** Standard error: warnings and progress. */
  readonly warn: (line: string) => void;
  readonly signal: AbortSignal;
  /** Standard output is a terminal. */
  readonly terminal: boolean;
}

export interface CommandNeeds extends SettingsNeeds {
  /** It says something about this host's jobs, so there is nothing to say before `init`. */
  readonly host?: boolean;
}

export interface Command<Arguments> {
  /** As yargs writes it: `reap`, `jobs show <stack>`. */
  readonly command: string;
  readonly describe: string;
  readonly builder: (yargs: Argv) => Argv<Arguments>;
  /** `undefined`: the command reads none (it is there before they are). */
  readonly needs: CommandNeeds | undefined;
  /**
   * Loads what the command needs when it is run: `--help` and completion load nothing. Its number
   * is the exit code.
   */
  readonly run: (args: Arguments, context: CommandContext) => Promise<number | void>;
}

/**
 * A command for yargs. Any failure is one sentence on standard error and exit 1; `--verbose` adds
 * where it came from.
 */
export function defineCommand<Arguments>({
  command,
  describe,
  builder,
  needs,
  run,
}: Command<Arguments>): CommandModule<object, Arguments> {
  return {
    command,
    describe,
    builder: builder as (yargs: Argv) => Argv<Arguments>,
    async handler(args) {
      const controller = new AbortController();
      // SIGHUP: the terminal is gone. What is under way still has to be cleaned up.
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
        process.once(name, () => controller.abort(new Error(`ended by ${name}`)));
      // The message may quote the cloud, GitLab or an instance.
      const width = (process.stderr.isTTY && process.stderr.columns) || Infinity;
      const warn = (line: string): void => void process.stderr.write(`${fold(printableLines(line), width)}\n`);
      let unwritten = false;
      process.stderr.on('error', () => undefined);
      process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
        // The reader has closed the pipe (`| head`).
        if (code === 'EPIPE') return;
        warn(`gitlab-spot: The output can't be written (${code}). Free space where it goes, or send it elsewhere.`);
        unwritten = true;
        process.exitCode = 1;
      });
      fitTables(process.stdout.isTTY ? process.stdout.columns || undefined : undefined);
      try {
        const settings = needs ? settingsFor(needs) : (undefined as unknown as Settings);
        const code = await run(args as Arguments, {
          settings,
          out: (text) => void process.stdout.write(text),
          warn,
          signal: controller.signal,
          terminal: process.stdout.isTTY ?? false,
        });
        process.exitCode = unwritten ? 1 : (code ?? 0);
      } catch (error) {
        if (controller.signal.aborted) {
          process.exitCode = 130;
          return;
        }
        const { message, details } = outcomeOf(error, { buildFailure: 1, systemFailure: 1 });
        warn(printable(`gitlab-spot: ${message}`));
        if ((args as { verbose?: boolean }).verbose) warn(details);
        process.exitCode = 1;
      } finally {
        const { settings } = checkSettings(process.env, { cloud: false });
        if (settings) giveToOwner(settings.stateDir);
      }
    },
  };
}

function settingsFor(needs: CommandNeeds): Settings {
  const settings = readSettings(process.env, needs);
  const unconfigured = needs.host && !existsSync(settings.stateDir) ? notConfigured(process.env) : undefined;
  if (unconfigured) throw unconfigured;
  return settings;
}
