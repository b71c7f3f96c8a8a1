/**
 * The state on disk: state.json, replaced as a whole, so that a killed simulator comes back with
 * what it had answered.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { CloudState, RegionState } from './records';

const VERSION = 6;
/**
 * After a write the disk rests as long as the write took, and at most this long: changes meanwhile
 * share the next one.
 */
const LONGEST_PAUSE_MS = 20;

/**
 * Keeps `state.json` in step with the state. All changes of one turn of the event loop share a
 * write.
 */
export class Store {
  private dirty = false;
  private closed = false;
  private pending: Promise<void> | undefined;
  private lastWriteMs = 0;

  constructor(
    private readonly directory: string,
    private readonly state: CloudState,
    /** Brings into the state what is kept elsewhere. */
    private readonly beforeWrite: () => void,
  ) {}

  /** The state has changed; it is written soon. */
  changed(): void {
    this.dirty = true;
    void this.saved();
  }

  /** Resolves when all changes so far are on disk. */
  saved(): Promise<void> {
    if (!this.dirty) return Promise.resolve();
    this.pending ??= new Promise((resolve) => {
      const pause = Math.floor(Math.min(this.lastWriteMs, LONGEST_PAUSE_MS));
      const write = (): void => {
        this.pending = undefined;
        this.write();
        resolve();
      };
      if (pause > 0) setTimeout(write, pause);
      else setImmediate(write);
    });
    return this.pending;
  }

  /** Writes what is not written yet; later changes are not written any more. */
  close(): void {
    this.write();
    this.closed = true;
  }

  private write(): void {
    if (!this.dirty || this.closed) return;
    this.dirty = false;
    this.beforeWrite();
    const started = performance.now();
    writeStateFile(this.directory, this.state);
    this.lastWriteMs = performance.now() - started;
  }
}

function stateFile(directory: string): string {
  return path.join(directory, 'state.json');
}

function writeStateFile(directory: string, state: CloudState): void {
  const file = stateFile(directory);
  const text = JSON.stringify({ version: VERSION, ...state }, (_key, value: unknown) =>
    value instanceof Map ? { map: [...(value as Map<string, unknown>)] } : value,
  );
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/**
 * The state of an earlier life, or undefined. Throws one sentence when the file is not ours to
 * read.
 */
export function readStateFile(directory: string): CloudState | undefined {
  const file = stateFile(directory);
  if (!existsSync(file)) return undefined;
  let state: (CloudState & { version?: number }) | undefined;
  try {
    state = JSON.parse(readFileSync(file, 'utf8'), (_key, value: unknown) =>
      isMap(value) ? new Map(value.map) : value,
    ) as CloudState;
  } catch {
    state = undefined;
  }
  if (state?.version !== VERSION) {
    throw new Error(`sandbox cloud: ${file} is not a state of this version; remove it to start with an empty cloud`);
  }
  return state;
}

function isMap(value: unknown): value is { map: [string, unknown][] } {
  return typeof value === 'object' && value !== null && Array.isArray((value as { map?: unknown }).map);
}

export function emptyRegion(regionId: string, types = 0): RegionState {
  return {
    catalog: { regionId, types },
    vpcs: new Map(),
    vSwitches: new Map(),
    natGateways: new Map(),
    snatEntries: new Map(),
    addresses: new Map(),
    securityGroups: new Map(),
    keyPairs: new Map(),
    images: new Map(),
    snapshots: new Map(),
    instances: new Map(),
    pools: new Map(),
    launches: new Map(),
  };
}
