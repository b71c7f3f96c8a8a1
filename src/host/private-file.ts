import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  writeFileSync,
  readFileSync,
  statSync,
  type Stats,
} from 'node:fs';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import type { ConfigurationError } from '../errors';
import { HostError } from '../errors';

/** No secret is longer; a file that is holds something else. */
const LARGEST_SECRET_BYTES = 64 * 1024;

/** A file with a secret in it, and what a person reads where it can't be used. */
export interface PrivateFile {
  readonly file: string;
  /** `the passphrase file` */
  readonly what: string;
  /** Who can mend it: what a person named in the settings, or what is the host's own. */
  readonly failure: typeof ConfigurationError | typeof HostError;
  /** Where it can't be read. */
  readonly remedy: string;
  /** Where others may read it; left out: the command that takes that right from them. */
  readonly exposedRemedy?: string;
}

/**
 * Reads a file that only its owner may read; a file that others can read is refused, since they may
 * know its secret. Checks the opened file itself, and does not block on a pipe.
 * @throws ConfigurationError or HostError, as `failure` says; no message contains the secret
 */
export function readPrivate(wanted: PrivateFile): string {
  const { file, failure, remedy } = wanted;
  const subject = capital(wanted.what);
  try {
    const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(descriptor);
      if (!stats.isFile()) throw new failure(`${subject} ${file} is not a regular file`, { remedy });
      const exposed = exposure(`${wanted.what} ${file}`, file, stats);
      if (exposed !== undefined)
        throw new failure(capital(exposed.why), {
          remedy: wanted.exposedRemedy ?? `Run \`${exposed.command}\` on the runner host.`,
        });
      if (stats.size > LARGEST_SECRET_BYTES)
        throw new failure(`${subject} ${file} is larger than ${LARGEST_SECRET_BYTES / 1024} KiB`, { remedy });
      return readFileSync(descriptor, 'utf8');
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (error instanceof failure) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new failure(`${subject} ${file} can't be read (${code})`, { remedy, cause: error });
  }
}

/**
 * Why a file is not private, and the command that fixes it; undefined if it is. As with OpenSSH,
 * private means mode 0600 or less. A file that belongs to another user is under that user's control
 * whatever its mode; root is trusted.
 * @param what `the passphrase file /state/passphrase`
 */
export function exposure(
  what: string,
  file: string,
  { mode, uid }: Pick<Stats, 'mode' | 'uid'>,
  ownUid = process.getuid?.() ?? uid,
): { readonly why: string; readonly command: string } | undefined {
  const rights = mode & 0o777;
  const command = `chmod 600 ${file}`;
  if ((rights & 0o044) !== 0) return { why: `others may read ${what} (mode 0${rights.toString(8)})`, command };
  if ((rights & 0o033) !== 0) return { why: `others may change ${what} (mode 0${rights.toString(8)})`, command };
  if (ownUid !== 0 && uid !== 0 && uid !== ownUid)
    return { why: `another user (uid ${uid}) owns ${what}`, command: `chown ${ownUid} ${file}` };
  return undefined;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * Writes a file in one step, readable by its owner alone (mode 0600). Makes its folder if missing.
 * @throws HostError
 */
export function writePrivate(file: string, text: string): void {
  write(file, () => {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    replacePrivate(file, text);
  });
}

/**
 * As writePrivate, in a folder that is there. A file keeps its owner; a new one of root's has its
 * folder's, whose services read what a command with `sudo` wrote. @throws the system's error
 */
export function replacePrivate(file: string, text: string): void {
  const owner = process.geteuid?.() === 0 && !existsSync(file) ? statSync(path.dirname(file)) : undefined;
  const mode = 0o600;
  try {
    writeFileAtomic.sync(file, text, { mode, ...(owner && { chown: { uid: owner.uid, gid: owner.gid } }) });
  } catch (error) {
    // Root of a container or of another host may be one who gives nothing away.
    if (!owner || !['EPERM', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    writeFileAtomic.sync(file, text, { mode });
  }
}

/** Says at once what `writePrivate` would say at the end of a long way. @throws HostError */
export function checkWritable(file: string): void {
  write(file, () => {
    let folder = path.dirname(file);
    while (!existsSync(folder) && folder !== path.dirname(folder)) folder = path.dirname(folder);
    // Files are replaced by renaming, so the folder must be writable.
    accessSync(`${folder}/`, constants.W_OK);
  });
}

/**
 * Writes a file in one step, readable by everybody (mode 0644).
 * @throws HostError, also if its folder is missing
 */
export function writePublic(file: string, text: string): void {
  write(file, () => writeFileAtomic.sync(file, text, { mode: 0o644 }));
}

/**
 * As writePublic, with the mode that the existing file or the umask gives.
 * @throws HostError
 */
export function writeOutput(file: string, text: string): void {
  write(file, () => writeFileAtomic.sync(file, text));
}

/**
 * As writePrivate, but never replaces a file. Of several processes that create it, one succeeds,
 * and nobody ever reads half of it. Its folder must exist.
 * @param draft where it is written first @returns false if the file exists @throws the system's
 * error
 */
export function createPrivate(
  file: string,
  text: string,
  draft = `${file}.${randomBytes(6).toString('hex')}`,
): boolean {
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(draft, { force: true });
  }
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
