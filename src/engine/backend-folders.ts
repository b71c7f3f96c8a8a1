import { existsSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { isSpareName, parseStackName } from '../jobs/identity';
import { backendDirectory, PROJECT } from './workspace';

const HISTORY = 'history';
const BACKUPS = 'backups';
const LOCKS = 'locks/organization';
const EMPTY_AT_REST = [LOCKS, BACKUPS];

/** Where a backend in a folder has a stack's state. */
export function stateFileOf(stackName: string, backendUrl: string): string {
  return path.join(folderOf('stacks', backendUrl), `${stackName}.json`);
}

/** With what a folder's backend keeps beside it. */
const STATE_ENDINGS = ['.json.attrs', '.json.bak', '.json.bak.attrs', '.pulumi-tags', '.pulumi-tags.attrs', '.json'];
/** A CLI that packs its states (PULUMI_DIY_BACKEND_GZIP, …_ZSTD) or did so once. */
const PACKED_ENDINGS = ['.json.gz', '.json.zst'];

/** Whether nobody holds the stack's lock, and its state is in the one file that we know. */
export function isPlainAndFree(stackName: string, backendUrl: string): boolean {
  const isPacked = PACKED_ENDINGS.some((ending) =>
    existsSync(path.join(folderOf('stacks', backendUrl), `${stackName}${ending}`)),
  );
  return !isPacked && namesIn(path.join(folderOf(LOCKS, backendUrl), stackName)).length === 0;
}

/**
 * All that a folder's backend has of a stack, its state last: whoever is killed before that leaves a
 * stack that is found again.
 */
export function removeStackFiles(stackName: string, backendUrl: string): void {
  for (const kind of [HISTORY, BACKUPS])
    rmSync(path.join(folderOf(kind, backendUrl), stackName), { recursive: true, force: true });
  for (const ending of STATE_ENDINGS)
    rmSync(path.join(folderOf('stacks', backendUrl), `${stackName}${ending}`), { force: true });
}

const DRAFT = '.new';

/** A state that is being written for the first time; whoever is killed then leaves it. */
export function draftOf(stateFile: string): string {
  return `${stateFile}${DRAFT}`;
}

/**
 * The CLI removes files, and leaves the folders that held them: one or two a job, for ever. One
 * that was killed while it wrote the history leaves half a file, which counts as none of it.
 */
export function removeFolders(stackName: string, backendUrl: string): void {
  if (!backendUrl.startsWith('file://')) return;
  rmSync(path.join(folderOf(HISTORY, backendUrl), stackName), { recursive: true, force: true });
  rmSync(draftOf(stateFileOf(stackName, backendUrl)), { force: true });
  for (const kind of EMPTY_AT_REST) {
    try {
      rmdirSync(path.join(folderOf(kind, backendUrl), stackName));
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}

/**
 * Removes the folders of stacks that are gone: their host died before it did, and came back without
 * its state. A stack that is there, or whose folders changed since `beforeMs`, is left alone.
 */
export function sweepFolders(backendUrl: string, beforeMs: number): void {
  if (!backendUrl.startsWith('file://')) return;
  const states = namesIn(folderOf('stacks', backendUrl));
  const there = new Set(states.map((file) => file.replace(/\.json(\.gz|\.zst)?$/, '')));
  const folders = [HISTORY, ...EMPTY_AT_REST].map((kind) => folderOf(kind, backendUrl));
  const drafts = states
    .filter((file) => file.endsWith(draftOf('.json')))
    .map((file) => path.basename(file, draftOf('.json')));
  const changedMs = (name: string): number =>
    Math.max(
      ...[...folders.map((one) => path.join(one, name)), draftOf(stateFileOf(name, backendUrl))].map(
        (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0,
      ),
    );
  for (const name of new Set([...folders.flatMap(namesIn), ...drafts])) {
    const isOurs = parseStackName(name) !== undefined || isSpareName(name);
    if (isOurs && !there.has(name) && changedMs(name) <= beforeMs) removeFolders(name, backendUrl);
  }
}

function folderOf(kind: string, backendUrl: string): string {
  return path.join(backendDirectory(backendUrl), '.pulumi', kind, PROJECT);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
