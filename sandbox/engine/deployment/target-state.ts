import path from 'node:path';
import type { RegisterResourceRequest } from '@pulumi/pulumi/proto/resource_pb';
import { type SourcePosition, type StackTrace } from '@pulumi/pulumi/proto/source_pb';
import { fromStruct } from '../rpc/struct';
import { isProperties, type Properties, type Value } from '../rpc/values';
import { OUTPUT_VALUE, secret, SIGNATURE, UNKNOWN } from '../secrets/envelope';
import { type Resource, type StackFrame } from '../state/checkpoint';
import { makeUrn } from './urn';

/** What the program wants of a resource. */
export interface TargetState {
  urn: string;
  type: string;
  name: string;
  custom: boolean;
  inputs: Properties;
  parent: string | undefined;
  provider: string | undefined;
  dependencies: string[];
  propertyDependencies: Record<string, string[]>;
  aliases: string[];
  ignoreChanges: string[];
  replaceOnChanges: string[];
  deleteBeforeReplace: boolean | undefined;
  importId: string | undefined;
  protect: boolean;
  retainOnDelete: boolean;
  additionalSecretOutputs: string[];
  customTimeouts: { create?: number; update?: number; delete?: number };
  deletedWith: string | undefined;
  sourcePosition: string | undefined;
  stackTrace: StackFrame[];
}

/** Where the target state belongs. */
export interface TargetScope {
  stack: string;
  project: string;
  /** The project's folder; source positions are relative to it. */
  root: string;
}

/** Reads a registration of the program. */
export function targetStateOf(
  request: RegisterResourceRequest,
  scope: TargetScope,
  provider: string | undefined,
): TargetState {
  const [type, name] = [request.getType(), request.getName()];
  const parent = request.getParent() || undefined;
  const urn = makeUrn(scope.stack, scope.project, parent, type, name);
  return {
    urn,
    type,
    name,
    custom: request.getCustom(),
    inputs: plainInputs(fromStruct(request.getObject())) as Properties,
    parent,
    provider,
    dependencies: request.getDependenciesList(),
    propertyDependencies: propertyDependencies(request),
    aliases: aliasUrns(request, scope, parent).filter((alias) => alias !== urn),
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    deleteBeforeReplace: request.getDeletebeforereplacedefined() ? request.getDeletebeforereplace() : undefined,
    importId: request.getImportid() || undefined,
    protect: request.getProtect() ?? false,
    retainOnDelete: request.getRetainondelete() ?? false,
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    customTimeouts: timeouts(request.getCustomtimeouts()),
    deletedWith: request.getDeletedwith() || undefined,
    sourcePosition: position(request.getSourceposition(), scope.root),
    stackTrace: frames(request.getStacktrace(), scope.root),
  };
}

/** The state that a target state asks for, before it is reached. */
export function stateOf(target: TargetState, inputs: Properties): Resource {
  return {
    urn: target.urn,
    custom: target.custom,
    type: target.type,
    inputs,
    ...(target.parent && { parent: target.parent }),
    ...(target.protect && { protect: true }),
    dependencies: target.dependencies,
    ...(target.provider && { provider: target.provider }),
    propertyDependencies: target.propertyDependencies,
    additionalSecretOutputs: target.additionalSecretOutputs,
    aliases: target.aliases,
    customTimeouts: target.customTimeouts,
    ...(target.importId && { importID: target.importId }),
    ...(target.retainOnDelete && { retainOnDelete: true }),
    ...(target.deletedWith && { deletedWith: target.deletedWith }),
    ...(target.sourcePosition && { sourcePosition: target.sourcePosition }),
    stackTrace: target.stackTrace,
    ...(target.ignoreChanges.length > 0 && { ignoreChanges: target.ignoreChanges }),
    ...(target.replaceOnChanges.length > 0 && { replaceOnChanges: target.replaceOnChanges }),
  };
}

/** Output values, as component programs send them, become what they hold. */
export function plainInputs(value: Value): Value {
  if (Array.isArray(value)) return value.map(plainInputs);
  if (!isProperties(value)) return value;
  if (value[SIGNATURE] === OUTPUT_VALUE) {
    const inner = value['value'] === undefined ? UNKNOWN : plainInputs(value['value']);
    return value['secret'] === true ? secret(inner) : inner;
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainInputs(item)]));
}

function aliasUrns(request: RegisterResourceRequest, scope: TargetScope, parent: string | undefined): string[] {
  const specs = request.getAliasesList().map((alias) => {
    const spec = alias.getSpec();
    if (!spec) return alias.getUrn();
    const above = spec.getNoparent() ? undefined : spec.getParenturn() || parent;
    return makeUrn(
      spec.getStack() || scope.stack,
      spec.getProject() || scope.project,
      above,
      spec.getType() || request.getType(),
      spec.getName() || request.getName(),
    );
  });
  return [...new Set([...request.getAliasurnsList(), ...specs])].filter(Boolean);
}

function propertyDependencies(request: RegisterResourceRequest): Record<string, string[]> {
  const urns: Record<string, string[]> = {};
  request.getPropertydependenciesMap().forEach((value, key) => (urns[key] = value.getUrnsList()));
  return urns;
}

function timeouts(wanted: RegisterResourceRequest.CustomTimeouts | undefined): TargetState['customTimeouts'] {
  const texts = { create: wanted?.getCreate(), update: wanted?.getUpdate(), delete: wanted?.getDelete() };
  return Object.fromEntries(Object.entries(texts).flatMap(([key, text]) => (text ? [[key, goDuration(text)]] : [])));
}

const UNITS: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, ns: 1e-9 };

/** Go's 1h5m30s in seconds; throws RangeError. */
function goDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text)
    throw new RangeError(`time: invalid duration "${text}"`);
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit!]!, 0);
}

function frames(trace: StackTrace | undefined, root: string): StackFrame[] {
  return (trace?.getFramesList() ?? []).map((frame) => {
    const sourcePosition = position(frame.getPc(), root);
    return sourcePosition ? { sourcePosition } : {};
  });
}

/** project:///RELATIVE#LINE,COLUMN. */
function position(raw: SourcePosition | undefined, root: string): string | undefined {
  if (!raw?.getUri().startsWith('file:///')) return undefined;
  const file = decodeURIComponent(raw.getUri().slice('file://'.length));
  const relative = path.relative(root, file).split(path.sep).map(encodeURIComponent).join('/');
  return `project:///${relative.replace(/%40/g, '@')}#${raw.getLine()}${raw.getColumn() ? `,${raw.getColumn()}` : ''}`;
}
