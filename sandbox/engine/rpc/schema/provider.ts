/** pulumirpc.ResourceProvider: what a provider plugin understands (pulumi/proto/provider.proto, release 3.260). */
import {
  bool,
  bytes,
  define,
  double,
  enumeration,
  map,
  message,
  optional,
  repeated,
  string,
  struct,
  type Infer,
} from '../message';
import { CheckFailure } from './common';

export const ProviderHandshakeRequest = define({
  engineAddress: string(1),
  rootDirectory: optional(string(2)),
  programDirectory: optional(string(3)),
  configureWithUrn: bool(4),
  supportsViews: bool(5),
  supportsRefreshBeforeUpdate: bool(6),
  invokeWithPreview: bool(7),
  mapperTarget: optional(string(8)),
  loaderTarget: optional(string(9)),
  resolverTarget: optional(string(10)),
  acceptsByteString: bool(11),
});
export const ProviderHandshakeResponse = define({
  acceptSecrets: bool(1),
  acceptResources: bool(2),
  acceptOutputs: bool(3),
  supportsAutonamingConfiguration: bool(4),
  acceptsByteString: bool(6),
});
export const PluginAttach = define({ address: string(1) });
export const ConfigureRequest = define({
  variables: map(string(1)),
  args: struct(2),
  acceptSecrets: bool(3),
  acceptResources: bool(4),
  sendsOldInputs: bool(5),
  sendsOldInputsToDelete: bool(6),
  id: optional(string(7)),
  urn: optional(string(8)),
  name: optional(string(9)),
  type: optional(string(10)),
});
export const ConfigureResponse = define({
  acceptSecrets: bool(1),
  supportsPreview: bool(2),
  acceptResources: bool(3),
  acceptOutputs: bool(4),
  supportsAutonamingConfiguration: bool(5),
});
const MissingKey = define({ name: string(1), description: string(2) });
export const ConfigureErrorMissingKeys = define({ missingKeys: repeated(message(1, MissingKey)) });
export const CheckRequest = define({
  urn: string(1),
  olds: struct(2),
  news: struct(3),
  randomSeed: bytes(5),
  name: string(6),
  type: string(7),
});
export const CheckResponse = define({ inputs: struct(1), failures: repeated(message(2, CheckFailure)) });
export const DiffRequest = define({
  id: string(1),
  urn: string(2),
  olds: struct(3),
  news: struct(4),
  ignoreChanges: repeated(string(5)),
  oldInputs: struct(6),
  name: string(7),
  type: string(8),
});
const PropertyDiffKinds = ['ADD', 'ADD_REPLACE', 'DELETE', 'DELETE_REPLACE', 'UPDATE', 'UPDATE_REPLACE'] as const;
export const PropertyDiff = define({ kind: enumeration(1, PropertyDiffKinds), inputDiff: bool(2) });
export const DiffResponse = define({
  replaces: repeated(string(1)),
  stables: repeated(string(2)),
  deleteBeforeReplace: bool(3),
  changes: enumeration(4, ['DIFF_UNKNOWN', 'DIFF_NONE', 'DIFF_SOME'] as const),
  diffs: repeated(string(5)),
  detailedDiff: map(message(6, PropertyDiff)),
  hasDetailedDiff: bool(7),
});
export const CreateRequest = define({
  urn: string(1),
  properties: struct(2),
  timeout: double(3),
  preview: bool(4),
  name: string(5),
  type: string(6),
  resourceStatusAddress: string(7),
  resourceStatusToken: string(8),
});
export const CreateResponse = define({ id: string(1), properties: struct(2), refreshBeforeUpdate: bool(3) });
export const ReadRequest = define({
  id: string(1),
  urn: string(2),
  properties: struct(3),
  inputs: struct(4),
  name: string(5),
  type: string(6),
  resourceStatusAddress: string(7),
  resourceStatusToken: string(8),
  timeout: double(10),
});
export const ReadResponse = define({
  id: string(1),
  properties: struct(2),
  inputs: struct(3),
  refreshBeforeUpdate: bool(4),
});
export const UpdateRequest = define({
  id: string(1),
  urn: string(2),
  olds: struct(3),
  news: struct(4),
  timeout: double(5),
  ignoreChanges: repeated(string(6)),
  preview: bool(7),
  oldInputs: struct(8),
  name: string(9),
  type: string(10),
  resourceStatusAddress: string(11),
  resourceStatusToken: string(12),
});
export const UpdateResponse = define({ properties: struct(1), refreshBeforeUpdate: bool(2) });
export const DeleteRequest = define({
  id: string(1),
  urn: string(2),
  properties: struct(3),
  timeout: double(4),
  oldInputs: struct(5),
  name: string(6),
  type: string(7),
  resourceStatusAddress: string(8),
  resourceStatusToken: string(9),
});
export const InvokeRequest = define({ tok: string(1), args: struct(2), preview: bool(7) });
export const InvokeResponse = define({ return: struct(1), failures: repeated(message(2, CheckFailure)) });
export const ErrorResourceInitFailed = define({
  id: string(1),
  properties: struct(2),
  reasons: repeated(string(3)),
  inputs: struct(4),
  refreshBeforeUpdate: bool(5),
});

export type DiffResponse = Infer<typeof DiffResponse>;
export type ErrorResourceInitFailed = Infer<typeof ErrorResourceInitFailed>;
