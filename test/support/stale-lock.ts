import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';

/**
 * The lock of a CLI that was killed, as the file backend holds it (docs/pulumi.md). @returns the
 * folder of the stack's locks
 */
export function leaveLock(backend: string, stackName: string): string {
  const folder = path.join(backend, '.pulumi/locks/organization/gitlab-spot', stackName);
  mkdirSync(folder, { recursive: true });
  // Beyond the greatest pid that Linux gives.
  const lock = { pid: 2 ** 22 + 1, username: 'root', hostname: hostname(), timestamp: '2026-11-24T13:14:21.5Z' };
  writeFileSync(path.join(folder, '64f4aafa.json'), JSON.stringify(lock));
  return folder;
}
