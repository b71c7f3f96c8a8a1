import { readFileSync, statSync } from 'node:fs';
import { HostError } from '../errors';

/** The job's private key. Throws HostError when it can't be read, or others may read it. */
export function readJobKey(file: string): string {
  try {
    const mode = statSync(file).mode & 0o777;
    // As OpenSSH has it: a key that others have read is none.
    if ((mode & 0o077) !== 0)
      throw new HostError(`Others may read the job's key ${file} (mode 0${mode.toString(8)})`, {
        remedy: 'Run the job again; check who changes modes in the state folder on the runner host.',
      });
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof HostError) throw error;
    throw new HostError(`The job's key ${file} can't be read (${(error as NodeJS.ErrnoException).code})`, {
      remedy: 'Run the job again; check who cleans up the state folder on the runner host.',
      cause: error,
    });
  }
}
