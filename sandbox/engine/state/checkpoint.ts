import { createHash } from 'node:crypto';
import { type Properties, type Value } from '../rpc/values';

/** The release of Pulumi whose behaviour and formats the engine speaks. */
export const PULUMI_VERSION = '3.260.0';

/** A frame of the program's stack where a resource was registered. */
export interface StackFrame {
  sourcePosition?: string;
}

/**
 * A resource as the checkpoint (version 3) keeps it; the order of fields is the order in the file.
 */
export interface Resource {
  urn: string;
  custom: boolean;
  /** Waits for its deletion, after its replacement was created. */
  delete?: boolean;
  id?: string;
  type: string;
  inputs?: Properties;
  outputs?: Properties;
  parent?: string;
  protect?: boolean;
  taint?: boolean;
  /** Only read, never managed. */
  external?: boolean;
  dependencies?: string[];
  initErrors?: string[];
  /** URN::ID of the provider. */
  provider?: string;
  propertyDependencies?: Record<string, string[]>;
  /** Was deleted first, and its replacement is still to be created. */
  pendingReplacement?: boolean;
  additionalSecretOutputs?: string[];
  aliases?: string[];
  customTimeouts?: { create?: number; update?: number; delete?: number };
  importID?: string;
  retainOnDelete?: boolean;
  deletedWith?: string;
  replaceWith?: string[];
  created?: string;
  modified?: string;
  sourcePosition?: string;
  stackTrace?: StackFrame[];
  ignoreChanges?: string[];
  hideDiff?: Value;
  replaceOnChanges?: string[];
  replacementTrigger?: Value;
  refreshBeforeUpdate?: boolean;
  viewOf?: string;
  resourceHooks?: Record<string, string[]>;
}

/** What was under way when the checkpoint was written. */
export interface Operation {
  resource: Resource;
  type: 'creating' | 'updating' | 'deleting' | 'reading' | 'importing';
}

export interface Manifest {
  /** RFC 3339 with nanoseconds. */
  time: string;
  magic: string;
  version: string;
}

export interface SecretsProvider {
  type: string;
  state?: Record<string, string>;
}

/** The state of a stack's resources. */
export interface Deployment {
  manifest: Manifest;
  secrets_providers?: SecretsProvider;
  resources?: Resource[];
  pending_operations?: Operation[];
  metadata: Properties;
}

/** The file of a stack. */
export interface Checkpoint {
  version: number;
  features?: string[];
  checkpoint: { stack: string; config?: Properties; latest?: Deployment };
}

/** The manifest of a state that is written now. */
export function manifest(now: string): Manifest {
  return { time: now, magic: createHash('sha256').update(PULUMI_VERSION).digest('hex'), version: PULUMI_VERSION };
}

const FIELDS: (keyof Resource)[] = [
  'urn', 'custom', 'delete', 'id', 'type', 'inputs', 'outputs', 'parent', 'protect', 'taint', 'external', 'dependencies',
  'initErrors', 'provider', 'propertyDependencies', 'pendingReplacement', 'additionalSecretOutputs', 'aliases',
  'customTimeouts', 'importID', 'retainOnDelete', 'deletedWith', 'replaceWith', 'created', 'modified', 'sourcePosition',
  'stackTrace', 'ignoreChanges', 'hideDiff', 'replaceOnChanges', 'replacementTrigger', 'refreshBeforeUpdate', 'viewOf',
  'resourceHooks',
]; // prettier-ignore

/** A resource with its fields in the file's order, and without those that say nothing. */
export function tidy(resource: Resource): Resource {
  const result: Record<string, unknown> = {};
  for (const field of FIELDS) {
    const value = resource[field];
    if (field === 'urn' || field === 'custom' || field === 'type' || !saysNothing(value)) result[field] = value;
  }
  for (const [field, value] of Object.entries(resource))
    if (!(field in result) && !saysNothing(value)) result[field] = value;
  return result as unknown as Resource;
}

function saysNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
