import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { MarkerNewer, readMarker, writeMarker } from '../host/marker';
import { livenessOf, ownerMarker, thisProcess } from '../host/process-owner';
import { jobFiles } from '../jobs/files';

/**
 * Which process builds an image, so that the reaper need not wait for the longest build's end after
 * one was killed.
 */

const fileOf = (stateDir: string, stackName: string): string =>
  path.join(jobFiles(stateDir, stackName).directory, 'builder.json');

/** Written before there is a stack. @throws MarkerNewer; the system's error */
export function noteBuilder(stateDir: string, stackName: string): void {
  mkdirSync(jobFiles(stateDir, stackName).directory, { recursive: true, mode: 0o700 });
  writeMarker(fileOf(stateDir, stackName), ownerMarker, thisProcess());
}

/** With all that the engine kept of the build on this disk. */
export function forgetBuilder(stateDir: string, stackName: string): void {
  rmSync(jobFiles(stateDir, stackName).directory, { recursive: true, force: true });
}

/**
 * `unknown`: another host's, or from before a restart. `newer`: a later version of gitlab-spot
 * builds it.
 */
export function builderOf(stateDir: string, stackName: string): 'alive' | 'dead' | 'unknown' | 'newer' {
  try {
    const owner = readMarker(fileOf(stateDir, stackName), ownerMarker);
    return owner ? livenessOf(owner) : 'unknown';
  } catch (error) {
    if (error instanceof MarkerNewer) return 'newer';
    throw error;
  }
}
