/**
 * What the "daemon" knows: images, networks and containers, each a JSON file in the instance's
 * folder.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface Network {
  readonly Id: string;
  readonly Name: string;
}

export interface Image {
  readonly Id: string;
  readonly Name: string;
}

/** The fields of `docker inspect` that the stand-in fills. */
export interface Container {
  readonly Id: string;
  readonly Name: string;
  readonly Config: {
    readonly Image: string;
    readonly Env: readonly string[];
    readonly Cmd: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly OpenStdin: boolean;
  };
  readonly HostConfig: { readonly Binds: readonly string[] };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> };
}

const root = path.join(process.env['SANDBOX_ROOT'] ?? process.env['HOME'] ?? '/tmp', 'var/lib/docker-stand-in');

/** A collection of JSON files by id. */
class Collection<T extends { readonly Id: string; readonly Name: string }> {
  constructor(private readonly kind: string) {}

  all(): readonly T[] {
    const folder = path.join(root, this.kind);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as T);
  }

  /** By name, id, or the beginning of an id. */
  find(name: string): T | undefined {
    return this.all().find((entry) => entry.Name === name || (name.length >= 12 && entry.Id.startsWith(name)));
  }

  /** Others see the whole file or none. */
  put(entry: T): T {
    const folder = path.join(root, this.kind);
    mkdirSync(folder, { recursive: true });
    const file = this.fileOf(entry.Id);
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(entry));
    renameSync(`${file}.${process.pid}`, file);
    return entry;
  }

  delete(entry: T): void {
    rmSync(this.fileOf(entry.Id), { force: true });
  }

  private fileOf(id: string): string {
    return path.join(root, this.kind, `${id}.json`);
  }
}

export const networks = new Collection<Network>('networks');
export const images = new Collection<Image>('images');
export const containers = new Collection<Container>('containers');

export function newId(): string {
  return randomBytes(32).toString('hex');
}

/** The container's own folder: its log, and what stands for its root file system. */
export function folderOf(container: Container): string {
  return path.join(root, 'files', container.Id);
}
