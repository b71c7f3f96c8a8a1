import { type Clock } from '../clock';
import { type Value } from '../rpc/values';
import { checkpointKey, historyFolder } from './backend';
import { type StackReference } from './reference';
import { type Storage } from './storage';

/** One past update, as its file in the history keeps it. */
export interface HistoryEntry {
  kind: 'update' | 'refresh' | 'destroy' | 'preview' | 'import' | 'rename';
  /** Seconds since 1970. */
  startTime: number;
  message: string;
  environment: Record<string, string>;
  config: Record<string, Value>;
  version: number;
  result: 'succeeded' | 'failed' | 'in-progress';
  endTime: number;
  resourceChanges?: Record<string, number>;
}

/** Writes an entry, and a copy of the state beside it. */
export async function addToHistory(
  storage: Storage,
  clock: Clock,
  stack: StackReference,
  entry: HistoryEntry,
): Promise<void> {
  const prefix = `${historyFolder(stack)}/${stack.name}-${clock.unixNanoseconds()}`;
  await storage.write(`${prefix}.history.json`, Buffer.from(JSON.stringify(entry)));
  await storage.copy(checkpointKey(stack), `${prefix}.checkpoint.json`);
}

/** The past updates, newest first; `page` counts from 1, a `pageSize` of 0 means all. */
export async function readHistory(
  storage: Storage,
  stack: StackReference,
  pageSize: number,
  page: number,
): Promise<HistoryEntry[]> {
  const folder = historyFolder(stack);
  const names = (await storage.list(folder)).filter((name) => name.endsWith('.history.json')).reverse();
  const start = pageSize > 0 ? (Math.max(page, 1) - 1) * pageSize : 0;
  const wanted = pageSize > 0 ? names.slice(start, start + pageSize) : names;
  const contents = await Promise.all(wanted.map((name) => storage.read(`${folder}/${name}`)));
  return contents.flatMap((content) => (content ? [JSON.parse(content.toString()) as HistoryEntry] : []));
}
