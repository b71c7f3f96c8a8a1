import { HostError } from '../errors';
import { readPrivate } from '../host/private-file';

/** The job's private key. Throws HostError when it can't be read, or others may read it. */
export function readJobKey(file: string): string {
  return readPrivate({
    file,
    what: "the job's key",
    failure: HostError,
    remedy: 'Run the job again; check who cleans up the state folder on the runner host.',
    // A key that others have read is none.
    exposedRemedy: 'Run the job again; check who changes modes in the state folder on the runner host.',
  });
}
