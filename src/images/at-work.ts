import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { writePrivate } from '../host/private-file';
import { livenessOf, processOwnerSchema, thisProcess } from '../host/process-owner';
import { jobFiles } from '../jobs/files';

/** Which process builds an image, so that the reaper need not wait for the longest build's end after one was killed. */

const fileOf = (stateDir: string, stackName: string): string =>
  path.join(jobFiles(stateDir, stackName).directory, 'builder.json');

/** Written before there is a stack. @throws HostError */
export function noteBuilder(stateDir: string, stackName: string): void {
  writePrivate(fileOf(stateDir, stackName), JSON.stringify(thisProcess()));
}

/** With all that the engine kept of the build on this disk. */
export function forgetBuilder(stateDir: string, stackName: string): void {
  rmSync(jobFiles(stateDir, stackName).directory, { recursive: true, force: true });
}

/** `unknown`: another host's, or from before a restart. */
export function builderOf(stateDir: string, stackName: string): 'alive' | 'dead' | 'unknown' {
  try {
    return livenessOf(processOwnerSchema.parse(JSON.parse(readFileSync(fileOf(stateDir, stackName), 'utf8'))));
  } catch {
    return 'unknown';
  }
}
