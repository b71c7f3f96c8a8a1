/** pulumirpc.LanguageRuntime: what the engine asks of the program's host (pulumi/proto/language.proto, release 3.260). */
import { bool, define, int32, map, message, optional, repeated, string, struct } from '../message';

export const ProgramInfo = define({
  rootDirectory: string(1),
  programDirectory: string(2),
  entryPoint: string(3),
  options: struct(4),
});
export const LanguageHandshakeRequest = define({
  engineAddress: string(1),
  rootDirectory: optional(string(2)),
  programDirectory: optional(string(3)),
});
export const AboutRequest = define({ info: message(1, ProgramInfo) });
export const AboutResponse = define({ executable: string(1), version: string(2), metadata: map(string(3)) });
const PackageDependency = define({ name: string(1), kind: string(2), version: string(3), server: string(4) });
export const GetRequiredPackagesRequest = define({ info: message(1, ProgramInfo) });
export const GetRequiredPackagesResponse = define({ packages: repeated(message(1, PackageDependency)) });
export const GetRequiredPluginsRequest = define({
  project: string(1),
  pwd: string(2),
  program: string(3),
  info: message(4, ProgramInfo),
});
export const GetRequiredPluginsResponse = define({ plugins: repeated(message(1, PackageDependency)) });
export const RunRequest = define({
  project: string(1),
  stack: string(2),
  pwd: string(3),
  program: string(4),
  args: repeated(string(5)),
  config: map(string(6)),
  dryRun: bool(7),
  parallel: int32(8),
  monitorAddress: string(9),
  configSecretKeys: repeated(string(11)),
  organization: string(12),
  configPropertyMap: struct(13),
  info: message(14, ProgramInfo),
  loaderTarget: string(15),
  attachDebugger: bool(16),
  mapperTarget: string(17),
});
export const RunResponse = define({ error: string(1), bail: bool(2) });
