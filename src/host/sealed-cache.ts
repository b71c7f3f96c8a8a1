import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What stands before the data: a SHA-256. */
const SEAL_BYTES = 32;

/** V8 looks at the length of what it is to run alone, and at its own version without node's changes. */
function sealOf(data: Buffer): Buffer {
  return createHash('sha256').update(`${process.version} ${process.arch} `).update(data).digest();
}

/** Whether nobody else can have written it: what is read here is run. */
function isOwn(file: string): boolean {
  const { uid, mode } = statSync(file);
  return uid === process.geteuid?.() && (mode & 0o022) === 0;
}

/** What an earlier run has kept, whole, of this node and this user; and its seal, in hex. */
export function readSealed(file: string): { readonly data: Buffer; readonly seal: string } | undefined {
  try {
    if (!isOwn(path.dirname(file)) || !isOwn(file)) return undefined;
    const sealed = readFileSync(file);
    const [seal, data] = [sealed.subarray(0, SEAL_BYTES), sealed.subarray(SEAL_BYTES)];
    return sealOf(data).equals(seal) ? { data, seal: seal.toString('hex') } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whole or not at all; others whose names begin with `prefix` go. A disk that takes nothing costs
 * the next run its work, nothing else.
 */
export function keepSealed(file: string, make: () => Buffer, prefix: string): void {
  const folder = path.dirname(file);
  const part = `${file}.${process.pid}`;
  try {
    // The folder alone: a state folder that was removed meanwhile does not come back.
    if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
    if (!isOwn(folder)) return;
    const data = make();
    writeFileSync(part, Buffer.concat([sealOf(data), data]), { mode: 0o600 });
    renameSync(part, file);
    for (const name of readdirSync(folder))
      if (name.startsWith(prefix) && name !== path.basename(file)) rmSync(path.join(folder, name), { force: true });
  } catch {
    try {
      rmSync(part, { force: true });
    } catch {
      // There is no such folder.
    }
  }
}
