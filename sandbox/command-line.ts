/** What the sandbox's command lines share. */
import type { Argv } from 'yargs';

/** Wrong usage, in one sentence that points to the help. */
class WrongUsage extends Error {}

/**
 * Errors of a command reach the caller as they are; wrong usage becomes one sentence. Help is as
 * wide as the terminal.
 */
export function polite<T>(args: Argv<T>, help: string): Argv<T> {
  return args
    .wrap(Math.min(120, process.stdout.columns || 120))
    .version(false)
    .fail((message, error) => {
      throw error ?? new WrongUsage(`${message} (see ${help})`);
    });
}

/** Runs `main` and ends the process: with its exit code, or with one sentence and 1. */
export function runMain(name: string, main: () => Promise<number>): void {
  main().then(
    (code) => process.exit(code),
    (error: unknown) => {
      process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exit(1);
    },
  );
}
