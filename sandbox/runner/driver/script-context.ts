/** What every stage's script is written from, and the beginning that most of them share. */
import path from 'node:path';
import type { JobPayload } from '../payload';
import type { RunnerVersion } from '../versions';
import { ShellWriter } from './shell';
import { temporaryProjectDir, type Directories, type Variables } from './variables';

export interface ScriptContext {
  readonly payload: JobPayload;
  readonly version: RunnerVersion;
  readonly variables: Variables;
  readonly directories: Directories;
  /** What config said of itself, else the executor's name: "Running on host via …". */
  readonly hostname: string;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function temporaryFile(context: ScriptContext, name: string): string {
  return path.posix.join(temporaryProjectDir(context.directories), name);
}

export function fileVariables(context: ScriptContext): string[] {
  return context.variables.all.filter((one) => one.file && NAME.test(one.key)).map((one) => one.key);
}

/** As Go reads a truth value. */
export function isOn({ variables }: ScriptContext, name: string): boolean {
  return /^(1|t|T|TRUE|true|True)$/.test(variables.get(name));
}

/**
 * Exports all variables; with `writeFiles` also writes those that are files. Then takes over what
 * earlier stages left in GITLAB_ENV.
 */
export function begin(context: ScriptContext, options: { writeFiles: boolean }): ShellWriter {
  const writer = new ShellWriter(isOn(context, 'FF_ENABLE_BASH_EXIT_CODE_CHECK'));
  const temporary = temporaryProjectDir(context.directories);
  const environmentFile = temporaryFile(context, 'gitlab_runner_env');
  for (const one of context.variables.all) {
    if (!NAME.test(one.key)) continue;
    if (!one.file) {
      writer.export(one.key, one.value);
      continue;
    }
    const file = temporaryFile(context, one.key);
    if (options.writeFiles) {
      writer.command('mkdir', '-p', temporary);
      writer.line(`printf '%s' ${quoteForFile(one.value)} > '${file}'`);
    }
    writer.export(one.key, file);
  }
  writer.export('GITLAB_ENV', environmentFile);
  writer.command('mkdir', '-p', temporary);
  writer.command('touch', environmentFile);
  writer.line(`while read -r line; do export "$line"; done < '${environmentFile}'`);
  return writer;
}

function quoteForFile(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** As `begin`, and in the project's folder. */
export function beginInProject(context: ScriptContext): ShellWriter {
  return begin(context, { writeFiles: true }).command('cd', context.directories.projectDir);
}
