/** pulumirpc.ResourceMonitor: what a program asks of the engine (pulumi/proto/resource.proto, release 3.260). */
import {
  bool,
  define,
  enumeration,
  int32,
  map,
  message,
  optional,
  repeated,
  string,
  struct,
  value,
  type Infer,
} from '../message';
import { CheckFailure, SourcePosition, StackTrace, Urns } from './common';

export const MONITOR_FEATURES = [
  'SECRETS',
  'RESOURCE_REFERENCES',
  'OUTPUT_VALUES',
  'ALIAS_SPECS',
  'REPLACEMENT_TRIGGER',
  'DELETED_WITH',
  'REPLACE_WITH',
  'TRANSFORMS',
  'INVOKE_TRANSFORMS',
  'PARAMETERIZATION',
  'RESOURCE_HOOKS',
  'ERROR_HOOKS',
  'SENDS_OPTIONS_TO_HOOKS',
  'BYTE_STRING',
  'INVOKE_DEPENDS_ON',
  'INVOKE_PARENT',
].map((name) => `RESOURCE_MONITOR_FEATURE_${name}`);
export const DeploymentInfo = define({
  project: string(1),
  stack: string(2),
  organization: string(3),
  config: map(string(4)),
  configSecretKeys: repeated(string(5)),
  dryRun: bool(6),
  parallel: int32(7),
  supportedFeatures: repeated(enumeration(8, MONITOR_FEATURES)),
});
export const SupportsFeatureRequest = define({ id: string(1) });
export const SupportsFeatureResponse = define({ hasSupport: bool(1) });
const CustomTimeouts = define({ create: string(1), update: string(2), delete: string(3), read: string(4) });
const AliasSpec = define({
  name: string(1),
  type: string(2),
  stack: string(3),
  project: string(4),
  parentUrn: string(5),
  noParent: bool(6),
});
export const Alias = define({ urn: string(1), spec: message(2, AliasSpec) });
export const Callback = define({ target: string(1), token: string(2), acceptsByteString: bool(3) });
export const RegisterResourceRequest = define({
  type: string(1),
  name: string(2),
  parent: string(3),
  custom: bool(4),
  object: struct(5),
  protect: optional(bool(6)),
  dependencies: repeated(string(7)),
  provider: string(8),
  propertyDependencies: map(message(9, Urns)),
  deleteBeforeReplace: bool(10),
  version: string(11),
  ignoreChanges: repeated(string(12)),
  acceptSecrets: bool(13),
  additionalSecretOutputs: repeated(string(14)),
  aliasURNs: repeated(string(15)),
  importId: string(16),
  customTimeouts: message(17, CustomTimeouts),
  deleteBeforeReplaceDefined: bool(18),
  supportsPartialValues: bool(19),
  remote: bool(20),
  acceptResources: bool(21),
  providers: map(string(22)),
  replaceOnChanges: repeated(string(23)),
  pluginDownloadURL: string(24),
  retainOnDelete: optional(bool(25)),
  aliases: repeated(message(26, Alias)),
  deletedWith: string(27),
  aliasSpecs: bool(28),
  sourcePosition: message(29, SourcePosition),
  transforms: repeated(message(31, Callback)),
  supportsResultReporting: bool(32),
  packageRef: string(33),
  stackTrace: message(35, StackTrace),
  hideDiffs: repeated(string(37)),
  replaceWith: repeated(string(38)),
  replacementTrigger: value(39),
  acceptsByteString: bool(42),
});
export const RegisterResourceResponse = define({
  urn: string(1),
  id: string(2),
  object: struct(3),
  stable: bool(4),
  stables: repeated(string(5)),
  propertyDependencies: map(message(6, Urns)),
  result: enumeration(7, ['SUCCESS', 'FAIL', 'SKIP'] as const),
});
export const RegisterResourceOutputsRequest = define({ urn: string(1), outputs: struct(2) });
export const ReadResourceRequest = define({
  id: string(1),
  type: string(2),
  name: string(3),
  parent: string(4),
  properties: struct(5),
  dependencies: repeated(string(6)),
  provider: string(7),
  version: string(8),
  acceptSecrets: bool(9),
  additionalSecretOutputs: repeated(string(10)),
  acceptResources: bool(12),
  pluginDownloadURL: string(13),
  sourcePosition: message(14, SourcePosition),
  packageRef: string(16),
  stackTrace: message(17, StackTrace),
});
export const ReadResourceResponse = define({ urn: string(1), properties: struct(2) });
export const ResourceInvokeRequest = define({
  tok: string(1),
  args: struct(2),
  provider: string(3),
  version: string(4),
  acceptResources: bool(5),
  pluginDownloadURL: string(6),
  sourcePosition: message(7, SourcePosition),
  packageRef: string(9),
  dependsOn: repeated(string(13)),
  parent: string(15),
});
export const ResourceInvokeResponse = define({
  return: struct(1),
  failures: repeated(message(2, CheckFailure)),
  unknown: bool(3),
});

export type RegisterResourceRequest = Infer<typeof RegisterResourceRequest>;
export type RegisterResourceResponse = Infer<typeof RegisterResourceResponse>;
export type ReadResourceRequest = Infer<typeof ReadResourceRequest>;
export type Alias = Infer<typeof Alias>;
