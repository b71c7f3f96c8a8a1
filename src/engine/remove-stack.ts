import { readFileSync, statSync } from 'node:fs';
import * as z from 'zod/mini';
import { isPlainAndFree, removeStackFiles, stateFileOf } from './backend-folders';
import type { CliResult } from './cli';
import { PROJECT } from './workspace';

/** A state as the CLI leaves it, far below: some hundred bytes. */
const MOST_BYTES = 64 * 1024;

const stateSchema = z.looseObject({
  version: z.literal(3),
  checkpoint: z.looseObject({
    stack: z.string(),
    latest: z.looseObject({
      resources: z.optional(z.array(z.unknown())),
      pending_operations: z.optional(z.array(z.unknown())),
    }),
  }),
});

export interface Removal {
  /** Calls the CLI. */
  readonly call: (args: readonly string[]) => Promise<CliResult>;
  readonly backendUrl: string;
}

/**
 * Removes a stack that was destroyed, with its history. In a folder that is done by removing its
 * files, as the CLI would after 0.33 s of CPU (docs/adr/0026). @returns what the CLI said, where it
 * was asked
 */
export async function removeStack(stackName: string, { call, backendUrl }: Removal): Promise<CliResult | undefined> {
  if (isEmptyAndFree(stackName, backendUrl)) {
    removeStackFiles(stackName, backendUrl);
    return undefined;
  }
  const remove = (...flags: string[]) => call(['stack', 'rm', '--yes', ...flags, stackName]);
  // Without it a copy of the last checkpoint stays, in a backend that serves thousands of jobs.
  const flags = ['--remove-backups'];
  let result = await remove(...flags);
  // The CLI before 3.188 does not have it.
  if (/unknown flag/.test(result.stderr)) {
    flags.pop();
    result = await remove();
  }
  // The destroy succeeded, so only notes of interrupted creations keep the CLI from removing the
  // stack.
  if (result.exitCode !== 0 && /still has resources/.test(result.stderr)) return remove('--force', ...flags);
  return result;
}

/**
 * Whether the state is one that we know, with nothing in it, and nobody holds its lock. Of
 * anything else the CLI is the judge.
 */
function isEmptyAndFree(stackName: string, backendUrl: string): boolean {
  if (!backendUrl.startsWith('file://')) return false;
  try {
    if (!isPlainAndFree(stackName, backendUrl)) return false;
    const file = stateFileOf(stackName, backendUrl);
    if (statSync(file).size > MOST_BYTES) return false;
    const { stack, latest } = stateSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).checkpoint;
    const { resources = [], pending_operations = [] } = latest;
    return (
      stack === `organization/${PROJECT}/${stackName}` && resources.length === 0 && pending_operations.length === 0
    );
  } catch {
    return false;
  }
}
