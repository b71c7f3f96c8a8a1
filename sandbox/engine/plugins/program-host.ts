import { CommandError } from '../errors';
import { type Emit } from '../deployment/events';
import { type Kind } from '../deployment/deployment';
import { type Environment } from '../project/paths';
import { type Project } from '../project/project';
import { type CallLog } from '../rpc/call-log';
import { LanguageHost } from './language';

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

/** Something that runs the project's program. */
export async function startProgramHost(options: ProgramHostOptions): Promise<LanguageHost> {
  const { client, project, programDirectory, calls } = options;
  if (!client) throw new CommandError(`runtime '${project.runtime.name}' needs --client`);
  const info = { rootDirectory: project.root, programDirectory, entryPoint: '.', options: { address: client } };
  return new LanguageHost(client, info, calls);
}
