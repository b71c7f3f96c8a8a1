import { CommandError } from '../errors';
import { diagnostic, type Emit } from '../deployment/events';
import { type Kind } from '../deployment/deployment';
import { type Environment } from '../project/paths';
import { type Project } from '../project/project';
import { type CallLog } from '../rpc/call-log';
import { type PluginOutput } from './launch';
import { LanguageHost, NO_PROGRAM, type ProgramHost } from './language';
import { NodeProgram } from './node-program';

/** What is known of a program before it runs. */
export interface ProgramHostOptions {
  /** The caller's own host (`--client`). */
  client: string | undefined;
  project: Project;
  programDirectory: string;
  env: Environment;
  calls: CallLog | undefined;
  emit: Emit;
  kind: Kind;
}

/** Something that runs the project's program: the caller itself, or node. */
export function programHost(options: ProgramHostOptions): ProgramHost {
  const { client, project, programDirectory, calls, env, kind } = options;
  if (client) return new LanguageHost(client, project.root, programDirectory, calls);
  // Nothing has to run in order to delete or to look.
  if (kind !== 'update') return NO_PROGRAM;
  const { name } = project.runtime;
  if (name !== 'nodejs')
    throw new CommandError(`the sandbox's engine runs nodejs programs only; the runtime of ${project.file} is ${name}`);
  const output: PluginOutput = (stream, line) =>
    options.emit(diagnostic(stream === 'stdout' ? 'info' : 'info#err', line));
  return new NodeProgram(project, programDirectory, env, output);
}
