import path from 'node:path';
import type { JobFiles } from './types';

/** Where one job's files are. Pure: makes nothing. */
export function jobFiles(stateDir: string, stackName: string): JobFiles {
  const directory = path.join(jobsDirectory(stateDir), stackName);
  return {
    directory,
    record: path.join(directory, 'record.json'),
    // Older than the kind of key in it: a job that runs during an upgrade keeps its file.
    privateKey: path.join(directory, 'id_ed25519'),
    engine: path.join(directory, 'pulumi'),
  };
}

export function jobsDirectory(stateDir: string): string {
  return path.join(stateDir, 'jobs');
}
