import { ConfigurationError, HostError, SpotError } from '../errors';
import { EngineFailed, PlacementRefused, StackLocked, UpCancelled } from './errors';
import type { JobStackArgs, UpOptions, UpResult } from './types';

/** What prepare tells the process that brings its stack up (executor/up.ts). */
export type ToUp =
  /** An `up` will be wanted: what it loads may be loaded. */
  | { readonly kind: 'expect' }
  /** Of a stack that is there: its engine may be started, and waits for the first `up`. */
  | { readonly kind: 'begin'; readonly stackName: string }
  /**
   * Of a stack that is there. The user data hold the instance's host key: neither in arguments nor
   * on disk.
   */
  | { readonly kind: 'up'; readonly args: JobStackArgs }
  /** UpOptions.signal, UpOptions.abandon. */
  | { readonly kind: 'abort' | 'abandon' }
  /** Somebody else saw that the cloud has the instance. */
  | { readonly kind: 'accepted' }
  /** Prepare goes, the `up` goes on. Answered. */
  | { readonly kind: 'leave' };

/** What it tells prepare. */
export type FromUp =
  | { readonly kind: 'log'; readonly line: string }
  | { readonly kind: 'resource'; readonly event: Parameters<NonNullable<UpOptions['onResource']>>[0] }
  | { readonly kind: 'accepted' | 'placed' | 'mayLeave' | 'left' }
  | { readonly kind: 'done'; readonly result: UpResult }
  | { readonly kind: 'failed'; readonly error: ErrorWords };

/** An error on its way from one process to the other. */
interface ErrorWords {
  readonly name: string;
  readonly message: string;
  readonly remedy?: string;
  readonly retryable?: boolean;
  /** Of a PlacementRefused. */
  readonly refusal?: { readonly code: string; readonly action: string; readonly detail: string };
  /** Disk full, wrong owner: what the system said. */
  readonly system?: Pick<NodeJS.ErrnoException, 'code' | 'syscall' | 'path'>;
  readonly details: string;
}

const KINDS = { EngineFailed, StackLocked, UpCancelled, HostError, ConfigurationError } as const;

export function wordsOf(error: unknown): ErrorWords {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), details: '' };
  const { name, message, stack: details = '' } = error;
  if (error instanceof PlacementRefused) {
    const { code, action, detail } = error;
    return { name: 'PlacementRefused', message, refusal: { code, action, detail }, details };
  }
  if (error instanceof SpotError) return { name, message, remedy: error.remedy, retryable: error.retryable, details };
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  return { name, message, details, ...(syscall !== undefined && { system: { code, syscall, path } }) };
}

export function errorOf({
  name,
  message,
  remedy = '',
  retryable = false,
  refusal,
  system,
  details,
}: ErrorWords): Error {
  if (refusal) return new PlacementRefused(refusal.code, refusal.action, refusal.detail, details);
  const Kind = KINDS[name as keyof typeof KINDS] as (typeof KINDS)[keyof typeof KINDS] | undefined;
  if (Kind) return new Kind(message, { remedy, retryable, cause: details });
  return Object.assign(new Error(message, { cause: details }), system);
}
