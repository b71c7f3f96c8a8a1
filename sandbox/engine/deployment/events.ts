import { sorted, type Properties } from '../rpc/values';
import { mapSecrets, SECRET, SIGNATURE } from '../secrets/envelope';
import { type Resource } from '../state/checkpoint';
import { isDefaultProvider } from './urn';
import { type Step } from './step';

/** What an event says of a resource's state. */
export interface StateMetadata {
  type: string;
  urn: string;
  custom?: true;
  delete?: true;
  id: string;
  parent: string;
  protect?: true;
  external?: true;
  retainOnDelete?: true;
  inputs: Properties;
  outputs: Properties;
  provider: string;
  initErrors?: string[];
}

/** What an event says of a step. */
export interface StepMetadata {
  op: string;
  urn: string;
  type: string;
  old: StateMetadata | null;
  new: StateMetadata | null;
  keys?: string[];
  diffs?: string[];
  detailedDiff: Record<string, { diffKind: string; inputDiff: boolean }> | null;
  logical?: true;
  provider: string;
}

export type Severity = 'debug' | 'info' | 'info#err' | 'warning' | 'error';

export interface DiagnosticEvent {
  urn?: string;
  prefix: string;
  message: string;
  color: 'never' | 'raw';
  severity: Severity;
  streamID?: number;
  ephemeral?: true;
}

export interface SummaryEvent {
  maybeCorrupt: boolean;
  durationSeconds: number;
  resourceChanges: Record<string, number>;
  PolicyPacks: Record<string, string>;
  isPreview: boolean;
  result: 'succeeded' | 'failed' | 'canceled';
}

/** One thing that happens, shaped as the event log and the Automation API have it. */
export interface EngineEvent {
  preludeEvent?: { config: Record<string, string> };
  diagnosticEvent?: DiagnosticEvent;
  resourcePreEvent?: { metadata: StepMetadata; planning?: true };
  resOutputsEvent?: { metadata: StepMetadata; planning?: true };
  resOpFailedEvent?: { metadata: StepMetadata; status: number; steps: number };
  summaryEvent?: SummaryEvent;
  stdoutEvent?: { message: string; color: 'always' };
  cancelEvent?: Record<string, never>;
  /** Only for us: the step belongs to a provider that the engine made by itself. */
  internal?: true;
}

export type Emit = (event: EngineEvent) => void;

/** A step as events describe it. */
export function stepMetadata(step: Step, op: string): StepMetadata {
  return {
    op,
    urn: step.urn,
    type: step.type,
    old: step.old ? stateMetadata(step.old) : null,
    new: step.new ? stateMetadata(step.new) : null,
    ...(step.keys?.length && { keys: step.keys }),
    ...(step.diffs?.length && { diffs: step.diffs }),
    detailedDiff: step.detailedDiff ?? null,
    ...(step.logical && { logical: true }),
    provider: step.provider ?? '',
  };
}

function stateMetadata(resource: Resource): StateMetadata {
  const visible = (properties: Properties | undefined) => shownProperties(properties ?? {});
  return {
    type: resource.type,
    urn: resource.urn,
    ...(resource.custom && { custom: true }),
    ...(resource.delete && { delete: true }),
    id: resource.id ?? '',
    parent: resource.parent ?? '',
    ...(resource.protect && { protect: true }),
    ...(resource.external && { external: true }),
    ...(resource.retainOnDelete && { retainOnDelete: true }),
    inputs: visible(resource.inputs),
    outputs: visible(resource.outputs),
    provider: resource.provider ?? '',
    ...(resource.initErrors?.length && { initErrors: resource.initErrors }),
  };
}

/** Properties as an event carries them; a secret is still recognised as one. */
function shownProperties(properties: Properties): Properties {
  return sorted(mapSecrets(properties, () => ({ [SIGNATURE]: SECRET, ciphertext: '[secret]' }))) as Properties;
}

/** Marks steps of default providers, which a person is not shown. */
export function internalMark(step: Step): { internal?: true } {
  return isDefaultProvider(step.urn) ? { internal: true } : {};
}

const PREFIXES: Record<Severity, string> = {
  debug: 'debug: ',
  info: '',
  'info#err': '',
  warning: 'warning: ',
  error: 'error: ',
};

/** A message about a resource, or about the whole when there is no URN. */
export function diagnostic(
  severity: Severity,
  text: string,
  urn?: string,
  streamID?: number,
  ephemeral?: boolean,
): EngineEvent {
  return {
    diagnosticEvent: {
      ...(urn && { urn }),
      prefix: PREFIXES[severity],
      message: text.endsWith('\n') && severity === 'debug' ? text : `${text}\n`,
      color: 'raw',
      severity,
      ...(streamID && { streamID }),
      ...(ephemeral && { ephemeral: true }),
    },
  };
}
