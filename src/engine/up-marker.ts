import { rmSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod/mini';
import { readMarker, writeMarker, type MarkerKind } from '../host/marker';
import { livenessOf, ownerOf, processOwnerSchema, type ProcessOwner } from '../host/process-owner';

/**
 * Marks the process that brings a stack up (executor/up.ts), from before it starts a CLI until its
 * `up` has succeeded. A marker without a living owner is an `up` that failed.
 */
const upMarker = {
  version: 1,
  schema: z.object({ ...processOwnerSchema.shape, failed: z.optional(z.string()) }),
} satisfies MarkerKind<ProcessOwner & { failed?: string | undefined }>;

/** An `up` begins, of that process. @throws the system's error; MarkerNewer */
export function beginUp(directory: string, pid: number): void {
  const owner = ownerOf(pid);
  // One that is gone already has begun nothing.
  if (owner) writeMarker(markerOf(directory), upMarker, owner);
}

/** The `up` succeeded, or the process that asked for it knows how it failed. */
export function forgetUp(directory: string): void {
  rmSync(markerOf(directory), { force: true });
}

/**
 * The `up` failed after prepare had left: keeps the reason. On a full disk the marker stays as it
 * was.
 */
export function failUp(directory: string, sentence: string): void {
  try {
    const owner = readMarker(markerOf(directory), upMarker);
    if (owner) writeMarker(markerOf(directory), upMarker, { ...owner, failed: sentence });
  } catch {
    // A dead owner tells enough.
  }
}

/** The living process that brings the stack of that work dir up. @throws MarkerNewer */
export function runningUp(directory: string): ProcessOwner | undefined {
  const owner = readMarker(markerOf(directory), upMarker);
  return owner && livenessOf(owner) === 'alive' ? owner : undefined;
}

/** Why the `up` that prepare left did not end well. Undefined: it did, or is still under way. */
export function upProblem(directory: string): string | undefined {
  const owner = readMarker(markerOf(directory), upMarker);
  if (owner === undefined) return undefined;
  if (owner.failed !== undefined) return owner.failed;
  if (livenessOf(owner) === 'alive') return undefined;
  // It may have ended well in between.
  return readMarker(markerOf(directory), upMarker) && 'the process that followed it was killed';
}

function markerOf(directory: string): string {
  return path.join(directory, 'up.json');
}
