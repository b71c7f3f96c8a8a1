import path from 'node:path';
import { rmSync, statSync } from 'node:fs';
import * as z from 'zod/mini';
import { HostError } from '../errors';
import { readMarker, writeMarker, type MarkerKind } from '../host/marker';

/**
 * A host that takes no new jobs, so that it can be updated, rotated or given up:
 * `STATE_DIR/drain.json`.
 */
const schema = z.object({ since: z.string() });
const kind: MarkerKind<z.output<typeof schema>> = { version: 1, schema };

const fileIn = (stateDir: string): string => path.join(stateDir, 'drain.json');

/**
 * Since when (ISO); undefined: it is not drained. That the file is there counts also where it can't
 * be read: root's, until a service gives it to its user, or a damaged one. @throws MarkerNewer
 */
export function drainedSince(stateDir: string): string | undefined {
  const file = fileIn(stateDir);
  return readMarker(file, kind)?.since ?? statSync(file, { throwIfNoEntry: false })?.mtime.toISOString();
}

/**
 * From now on no job begins here; what has begun goes on. @throws MarkerNewer; the system's error
 */
export function drain(stateDir: string, nowMs: number): void {
  writeMarker(fileIn(stateDir), kind, { since: drainedSince(stateDir) ?? new Date(nowMs).toISOString() });
}

export function undrain(stateDir: string): void {
  rmSync(fileIn(stateDir), { force: true });
}

/** @throws HostError while the host is drained */
export function refuseWhileDrained(stateDir: string): void {
  const since = drainedSince(stateDir);
  if (since === undefined) return;
  throw new HostError(`This runner host takes no new jobs since ${since} (gitlab-spot drain)`, {
    remedy: 'Run the job again, on another runner or later; `gitlab-spot drain --undo` on the host ends it.',
    retryable: true,
  });
}
