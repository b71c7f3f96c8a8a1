import { existsSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../clock';
import { AlreadyReported, CommandError, UsageError } from '../errors';
import { type Environment } from '../project/paths';
import { ROOT } from './commands';
import { helpText } from './help';
import { checkArgs, parseLine, type ParsedLine } from './parse';

/** Where a command runs and what it says. */
export interface Surroundings {
  cwd: string;
  out(text: string): void;
  err(text: string): void;
}

/** This process's own folder and streams. */
export function processSurroundings(): Surroundings {
  return { cwd: process.cwd(), out: (text) => print(1, text), err: (text) => print(2, text) };
}

/** Runs one command line and returns its exit code; errors are told as `error: …`. */
export async function runLine(words: readonly string[], env: Environment, around: Surroundings): Promise<number> {
  try {
    const line = parseLine(ROOT, words);
    if (line.flags.bool('help') || !line.command.load) {
      around.out(helpText(line.path));
      return 0;
    }
    checkUse(line, around);
    const run = await line.command.load();
    await run({
      flags: line.flags,
      args: line.args,
      env,
      cwd: workingDirectory(line, around.cwd),
      clock: systemClock(),
      out: around.out,
      err: around.err,
    });
    return 0;
  } catch (error) {
    if (!(error instanceof CommandError) && env['PULUMI_SANDBOX_TRACE']) around.err(`${(error as Error).stack}\n`);
    if (!(error instanceof AlreadyReported)) around.err(`error: ${(error as Error).message}\n`);
    return error instanceof CommandError ? error.exitCode : 1;
  }
}

/** A wrong number of words shows the help as well, as cobra does. */
function checkUse(line: ParsedLine, around: Surroundings): void {
  try {
    checkArgs(line);
  } catch (error) {
    if (error instanceof UsageError && line.path.length > 1) around.out(`${helpText(line.path)}\n`);
    throw error;
  }
}

function workingDirectory({ flags }: ParsedLine, here: string): string {
  const wanted = flags.string('cwd');
  const directory = path.resolve(here, wanted ?? '.');
  if (wanted !== undefined && !(existsSync(directory) && statSync(directory).isDirectory())) {
    throw new CommandError(`chdir ${wanted}: no such file or directory`);
  }
  return directory;
}

/** Writes at once, so that nothing is lost when the process ends right after. */
function print(fd: number, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EPIPE') return;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}
