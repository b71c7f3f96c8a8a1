import { type Resource } from '../state/checkpoint';

export type Op =
  | 'same'
  | 'create'
  | 'update'
  | 'delete'
  | 'replace'
  | 'create-replacement'
  | 'delete-replaced'
  | 'read'
  | 'read-replacement'
  | 'refresh'
  | 'import'
  | 'discard'
  | 'discard-replaced'
  | 'remove-pending-replace';

/**
 * How a step ended. `partial`: the resource exists, but not as it should be; `unknown`: nobody
 * knows.
 */
export type Outcome = { status: 'ok' } | { status: 'partial' | 'unknown' | 'unchanged'; error: Error };

/** One thing to do with one resource. */
export interface Step {
  op: Op;
  urn: string;
  type: string;
  /** URN::ID of the provider that does it. */
  provider?: string;
  old?: Resource;
  new?: Resource;
  /** Counts as a change of its own (a replacement's parts do not). */
  logical: boolean;
  /** Properties that make it a replacement. */
  keys?: string[];
  /** Properties that changed. */
  diffs?: string[];
  detailedDiff?: Record<string, { diffKind: string; inputDiff: boolean }>;
  /** What a refresh found out. */
  resultOp?: Op;
  /** Does it; undefined when there is nothing to do in the world. */
  apply?: () => Promise<Outcome>;
}
