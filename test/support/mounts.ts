import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const isRoot = process.getuid?.() === 0;

/**
 * Mounts an empty file system of this size, such as `64k`, in memory. @throws where this user may
 * not
 */
export function mountTmpfs(folder: string, options: string): { readonly unmount: () => void } {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
  return { unmount: () => void execFileSync('umount', ['--lazy', folder]) };
}

/** The reason against tests that need a file system of their own. */
export function withoutMounts(): string | undefined {
  if (!isRoot) return 'only root may mount a file system';
  const folder = mkdtempSync(path.join(tmpdir(), 'mount-'));
  try {
    mountTmpfs(folder, 'size=4k').unmount();
    return undefined;
  } catch {
    return 'no file system can be mounted here';
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The reason against tests that need a folder in which nobody may write: root may write into any
 * but a read-only mount.
 */
export const withoutReadOnly = (): string | undefined => (isRoot ? withoutMounts() : undefined);

/** A folder in which nobody may write, root neither. */
export function readOnlyFolder(): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'read-only-'));
  const mounted = isRoot ? mountTmpfs(folder, 'ro') : undefined;
  if (!mounted) chmodSync(folder, 0o555);
  const remove = () => {
    mounted?.unmount();
    rmSync(folder, { recursive: true });
  };
  return { folder, remove };
}
