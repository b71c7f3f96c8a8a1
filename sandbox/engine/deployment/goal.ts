import path from 'node:path';
import { type RegisterResourceRequest } from '../rpc/schema/monitor';
import { type SourcePosition, type StackTrace } from '../rpc/schema/common';
import { isProperties, type Properties, type Value } from '../rpc/values';
import { OUTPUT_VALUE, secret, SIGNATURE, UNKNOWN } from '../secrets/envelope';
import { type Resource, type StackFrame } from '../state/checkpoint';
import { makeUrn } from './urn';

/** What the program wants of a resource. */
export interface Goal {
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

/** Where the goal belongs. */
export interface GoalScope {
  stack: string;
  project: string;
  /** The project's folder; source positions are relative to it. */
  root: string;
}

/** Reads a registration of the program. */
export function goalOf(request: RegisterResourceRequest, scope: GoalScope, provider: string | undefined): Goal {
  const { type, name, custom } = request;
  const parent = request.parent || undefined;
  const urn = makeUrn(scope.stack, scope.project, parent, type, name);
  return {
    urn,
    type,
    name,
    custom,
    inputs: plainInputs(request.object ?? {}) as Properties,
    parent,
    provider,
    dependencies: request.dependencies,
    propertyDependencies: Object.fromEntries(
      Object.entries(request.propertyDependencies).map(([key, value]) => [key, (value as { urns: string[] }).urns]),
    ),
    aliases: aliasUrns(request, scope, parent).filter((alias) => alias !== urn),
    ignoreChanges: request.ignoreChanges,
    replaceOnChanges: request.replaceOnChanges,
    deleteBeforeReplace: request.deleteBeforeReplaceDefined ? request.deleteBeforeReplace : undefined,
    importId: request.importId || undefined,
    protect: request.protect ?? false,
    retainOnDelete: request.retainOnDelete ?? false,
    additionalSecretOutputs: request.additionalSecretOutputs,
    customTimeouts: timeouts(request.customTimeouts ?? {}),
    deletedWith: request.deletedWith || undefined,
    sourcePosition: position(request.sourcePosition, scope.root),
    stackTrace: frames(request.stackTrace, scope.root),
  };
}

/** The state that a goal asks for, before it is reached. */
export function stateOf(goal: Goal, inputs: Properties): Resource {
  return {
    urn: goal.urn,
    custom: goal.custom,
    type: goal.type,
    inputs,
    ...(goal.parent && { parent: goal.parent }),
    ...(goal.protect && { protect: true }),
    dependencies: goal.dependencies,
    ...(goal.provider && { provider: goal.provider }),
    propertyDependencies: goal.propertyDependencies,
    additionalSecretOutputs: goal.additionalSecretOutputs,
    aliases: goal.aliases,
    customTimeouts: goal.customTimeouts,
    ...(goal.importId && { importID: goal.importId }),
    ...(goal.retainOnDelete && { retainOnDelete: true }),
    ...(goal.deletedWith && { deletedWith: goal.deletedWith }),
    ...(goal.sourcePosition && { sourcePosition: goal.sourcePosition }),
    stackTrace: goal.stackTrace,
    ...(goal.ignoreChanges.length > 0 && { ignoreChanges: goal.ignoreChanges }),
    ...(goal.replaceOnChanges.length > 0 && { replaceOnChanges: goal.replaceOnChanges }),
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

function aliasUrns(request: RegisterResourceRequest, scope: GoalScope, parent: string | undefined): string[] {
  const specs = request.aliases.map(({ urn, spec }) => {
    if (urn || !spec) return urn ?? '';
    const above = spec.noParent ? undefined : spec.parentUrn || parent;
    return makeUrn(
      spec.stack || scope.stack,
      spec.project || scope.project,
      above,
      spec.type || request.type,
      spec.name || request.name,
    );
  });
  return [...new Set([...request.aliasURNs, ...specs])].filter(Boolean);
}

function timeouts({
  create,
  update,
  delete: remove,
}: {
  create?: string;
  update?: string;
  delete?: string;
}): Goal['customTimeouts'] {
  const seconds = Object.entries({ create, update, delete: remove }).flatMap(([key, text]) =>
    text ? [[key, goDuration(text)]] : [],
  );
  return Object.fromEntries(seconds) as Goal['customTimeouts'];
}

const UNITS: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, ns: 1e-9 };

/** Go's 1h5m30s in seconds; throws RangeError. */
function goDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text)
    throw new RangeError(`time: invalid duration "${text}"`);
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit!]!, 0);
}

function frames(trace: StackTrace | undefined | Partial<StackTrace>, root: string): StackFrame[] {
  return (trace?.frames ?? []).map((frame) => {
    const sourcePosition = position((frame as { pc?: SourcePosition }).pc, root);
    return sourcePosition ? { sourcePosition } : {};
  });
}

/** project:///RELATIVE#LINE,COLUMN. */
function position(raw: Partial<SourcePosition> | undefined, root: string): string | undefined {
  if (!raw?.uri?.startsWith('file:///')) return undefined;
  const file = decodeURIComponent(raw.uri.slice('file://'.length));
  const relative = path.relative(root, file).split(path.sep).map(encodeURIComponent).join('/');
  return `project:///${relative.replace(/%40/g, '@')}#${raw.line ?? 0}${raw.column ? `,${raw.column}` : ''}`;
}
