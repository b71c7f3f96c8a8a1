import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A folder in which nobody may write, root neither. Undefined: this machine lets us make none. */
export function readOnlyFolder(): { readonly folder: string; readonly remove: () => void } | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'read-only-'));
  const remove = () => rmSync(folder, { recursive: true });
  if (process.getuid?.() !== 0) {
    chmodSync(folder, 0o555);
    return { folder, remove };
  }
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', folder], { stdio: 'ignore' });
    return { folder, remove: () => (execFileSync('umount', [folder]), remove()) };
  } catch {
    remove();
    return undefined;
  }
}
