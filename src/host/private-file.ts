import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { HostError } from '../errors';

/**
 * Whole or not at all, and for its owner's eyes only: mode 0600. Its folder is made where it is
 * missing. @throws HostError
 */
export function writePrivate(file: string, text: string): void {
  write(file, () => {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFileAtomic.sync(file, text, { mode: 0o600 });
  });
}

/** Says at once what `writePrivate` would say at the end of a long way. @throws HostError */
export function checkWritable(file: string): void {
  write(file, () => {
    let folder = path.dirname(file);
    while (!existsSync(folder) && folder !== path.dirname(folder)) folder = path.dirname(folder);
    // A file is replaced as a whole: its folder is what counts.
    accessSync(`${folder}/`, constants.W_OK);
  });
}

/**
 * Whole or not at all, for everybody to read: mode 0644. @throws HostError, also where its folder
 * is missing
 */
export function writePublic(file: string, text: string): void {
  write(file, () => writeFileAtomic.sync(file, text, { mode: 0o644 }));
}

function write(file: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new HostError(`The runner host's disk is full: cannot write ${file}`, {
        remedy: 'Free space in its file system.',
        cause: error,
      });
    throw new HostError(`${file} can't be written (${code})`, {
      remedy: 'Run the command as a user who may write it (root, mostly), or name another file.',
      cause: error,
    });
  }
}
