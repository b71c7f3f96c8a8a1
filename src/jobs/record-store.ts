import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { HostError } from '../errors';
import { createPrivate } from '../host/private-file';
import { makePrivate } from '../host/private-folder';
import { bootTime } from '../host/boot-clock';
import { machineId } from '../host/machine';
import { jobFiles, jobsDirectory } from './files';
import { isSpareName } from './identity';
import { parseRecord } from './record-schema';
import type { JobFiles, JobRecord } from './types';

/** A job's record is there, but can't be understood. */
export class RecordCorrupt extends HostError {}

/**
 * The record was written by a later version of gitlab-spot: this version must not touch the job.
 */
export class RecordNewer extends HostError {}

export interface FoundRecord {
  readonly stackName: string;
  readonly record: JobRecord | undefined;
  /** Why there is a record that can't be read. */
  readonly problem?: 'damaged' | 'newer' | undefined;
}

/** In the folder of a spare machine. */
const TAKEN = 'taken';

/**
 * The jobs of this host, one folder each. A record is always whole: it is replaced, never changed
 * in place.
 */
export class RecordStore {
  constructor(readonly stateDir: string) {}

  files(stackName: string): JobFiles {
    return jobFiles(this.stateDir, stackName);
  }

  /**
   * Undefined: there is none.
   * @throws RecordCorrupt, RecordNewer
   */
  read(stackName: string): JobRecord | undefined {
    const { record } = this.files(stackName);
    let text: string;
    try {
      text = readFileSync(record, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new RecordCorrupt(`The job's record ${record} can't be read (${(error as NodeJS.ErrnoException).code})`, {
        remedy: 'Check the state folder’s owner and the disk on the runner host.',
        cause: error,
      });
    }
    const parsed = parseRecord(text);
    if (typeof parsed === 'number')
      throw new RecordNewer(`The job's record ${record} is of version ${parsed}, which this version does not know`, {
        remedy:
          'Update gitlab-spot on the runner host to the version that wrote it; until then its instance is left alone.',
      });
    // Acting on a record of another stack would destroy that stack.
    if (parsed?.identity.stackName === stackName) return parsed;
    throw new RecordCorrupt(`The job's record ${record} is damaged`, {
      remedy: 'Run the job again; check the disk of the runner host if it happens twice.',
    });
  }

  /**
   * As read, but a damaged record counts as none: what must go on without it (cleanup) finds the
   * rest by name and tag.
   * @throws RecordNewer
   */
  readLenient(stackName: string): JobRecord | undefined {
    try {
      return this.read(stackName);
    } catch (error) {
      if (error instanceof RecordCorrupt) return undefined;
      throw error;
    }
  }

  /**
   * As read, for a hook of that job.
   * @throws HostError when it is another project's: a GitLab set up anew counts its jobs from 1
   * again
   */
  readOf(stackName: string, projectId: number): JobRecord | undefined {
    return ofProject(this.read(stackName), projectId);
  }

  /**
   * As readLenient, for a hook of that job. @throws RecordNewer; HostError when it is another
   * project's
   */
  readOfLenient(stackName: string, projectId: number): JobRecord | undefined {
    return ofProject(this.readLenient(stackName), projectId);
  }

  /** Makes the job's folder too. @throws HostError when the disk does not take it. */
  write(record: JobRecord): void {
    const files = this.files(record.identity.stackName);
    try {
      makePrivate(this.stateDir);
      makePrivate(files.directory);
      const written: JobRecord = { ...record, machine: machineId(this.stateDir), writtenAt: bootTime() };
      writeFileAtomic.sync(files.record, `${JSON.stringify(written, null, 2)}\n`, { mode: 0o600 });
    } catch (error) {
      if (error instanceof HostError) throw error;
      throw new HostError(
        `The job's record can't be written to ${files.record} (${(error as NodeJS.ErrnoException).code})`,
        {
          remedy: 'Give the runner’s user a writable GITLAB_SPOT_STATE_DIR with free space.',
          cause: error,
        },
      );
    }
  }

  /**
   * Takes a spare machine: for a job (`taker` is the name of its stack), or to give the machine up
   * (`taker` is the spare's own name). Only one taker succeeds, since the file can be created only
   * once; it names the taker even if that process dies later.
   * @returns whether this call took it
   */
  take(spareName: string, taker: string): boolean {
    const { directory } = this.files(spareName);
    try {
      if (!createPrivate(path.join(directory, TAKEN), taker)) return false;
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return false;
      throw new HostError(`The spare machine ${spareName} can't be taken in ${directory} (${code})`, { cause: error });
    }
    // Its folder may have been removed at this very moment.
    if (this.readLenient(spareName)?.phase === 'spare') return true;
    this.removeRest(spareName);
    return false;
  }

  /** Who has taken a spare machine; undefined: nobody yet. */
  takerOf(spareName: string): string | undefined {
    try {
      return readFileSync(path.join(this.files(spareName).directory, TAKEN), 'utf8');
    } catch {
      return undefined;
    }
  }

  /**
   * Every folder of a job or spare of this host, in no order; the record is undefined where it is
   * missing or damaged.
   */
  list(): FoundRecord[] {
    return this.names().map((stackName) => this.find(stackName));
  }

  /** The stacks of `list`, without a look into their records. */
  names(): string[] {
    return this.namesOf((name) => name.startsWith('job-') || isSpareName(name));
  }

  /**
   * The spare machines of this host, in no order: those that wait, are being made or go. One that
   * can't be read is left out.
   */
  spares(): JobRecord[] {
    return this.namesOf(isSpareName).flatMap((name) => this.find(name).record ?? []);
  }

  private namesOf(isWanted: (name: string) => boolean): string[] {
    try {
      return readdirSync(jobsDirectory(this.stateDir)).filter(isWanted);
    } catch (error) {
      // Before the first job. A folder that can't be read must not look like one without jobs.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  /** As `read`, but tells what is wrong with a record instead of throwing. */
  find(stackName: string): FoundRecord {
    try {
      return { stackName, record: this.read(stackName) };
    } catch (error) {
      if (error instanceof RecordNewer) return { stackName, record: undefined, problem: 'newer' };
      if (error instanceof RecordCorrupt) return { stackName, record: undefined, problem: 'damaged' };
      throw error;
    }
  }

  /** The job's folder with its key files. */
  remove(stackName: string): void {
    const { record, directory } = this.files(stackName);
    // First, so that nobody finds a job whose folder is half gone.
    rmSync(record, { force: true });
    while (!removed(directory));
  }

  /**
   * Removes what another process put into the folder of a job that is gone, such as a ticket drawn
   * a moment too late.
   */
  removeRest(stackName: string): void {
    if (!existsSync(this.files(stackName).record)) this.remove(stackName);
  }
}

function ofProject(record: JobRecord | undefined, projectId: number): JobRecord | undefined {
  if (record?.projectId === undefined || record.projectId === projectId) return record;
  throw new HostError(
    `The record ${record.identity.stackName} is of project ${record.projectId}, not of project ${projectId}, so it is not used for this job`,
    {
      remedy: 'Wait until `gitlab-spot reap` has ended that job, or set another GITLAB_SPOT_STATE_DIR for each GitLab.',
    },
  );
}

/**
 * False: another process created a file in it meanwhile. One that is waiting to destroy the same
 * stack draws its ticket there.
 */
function removed(directory: string): boolean {
  try {
    rmSync(directory, { recursive: true, force: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTEMPTY') return false;
    throw error;
  }
}
