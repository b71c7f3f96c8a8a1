import { CommandError } from '../errors';
import { diagnostic, type Emit } from '../deployment/events';
import { type Kind } from '../deployment/deployment';
import { type Environment } from '../project/paths';
import { type Project } from '../project/project';
import { type CallLog } from '../rpc/call-log';
import { type Value } from '../rpc/values';
import { findOnPath } from './find';
import { launchPlugin, type PluginOutput } from './launch';
import { LanguageHost, NO_PROGRAM, type ProgramHost } from './language';
import { NodeProgram } from './node-program';

/** What is known of a program before it runs. */
export interface ProgramHostOptions {
  /** The caller's own host (`--client`). */
  client: string | undefined;
  project: Project;
  programDirectory: string;
  engineAddress: string;
  env: Environment;
  calls: CallLog | undefined;
  emit: Emit;
  kind: Kind;
}

/** Something that runs the project's program: the caller itself, a language plugin on PATH, or node. */
export async function startProgramHost(options: ProgramHostOptions): Promise<ProgramHost> {
  const { client, project, programDirectory, calls, env, engineAddress, kind } = options;
  const { name } = project.runtime;
  const info = (runtimeOptions: Record<string, Value>) => ({
    rootDirectory: project.root,
    programDirectory,
    entryPoint: '.',
    options: runtimeOptions,
  });
  if (client) return new LanguageHost(client, info({ address: client }), calls);
  // Nothing has to run in order to delete or to look.
  if (kind !== 'update') return NO_PROGRAM;
  const output: PluginOutput = (stream, line) =>
    options.emit(diagnostic(stream === 'stdout' ? 'info' : 'info#err', line));
  const plugin = findOnPath(`pulumi-language-${name}`, env);
  if (plugin) {
    const launched = await launchPlugin(plugin, [engineAddress], programDirectory, env, output);
    const host = new LanguageHost(launched.address, info(project.runtime.options), calls, () => launched.stop());
    await host.handshake(engineAddress, launched.directory, programDirectory);
    return host;
  }
  if (name === 'nodejs') return new NodeProgram(project, programDirectory, engineAddress, env, output);
  throw new CommandError(
    `failed to load language plugin ${name}: no language plugin 'pulumi-language-${name}' found in the workspace or on your $PATH`,
  );
}
