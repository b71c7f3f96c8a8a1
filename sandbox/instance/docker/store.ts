/** What the "daemon" knows: images, networks and containers, each a JSON file in the instance's folder. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface Network {
  readonly Id: string;
  readonly Name: string;
  readonly Labels: Readonly<Record<string, string>>;
}

export interface Image {
  readonly Id: string;
  readonly RepoTags: readonly string[];
  readonly Config: {
    readonly Env: readonly string[];
    readonly Cmd: readonly string[];
    readonly Entrypoint: null;
    readonly User: string;
  };
}

/** The fields of `docker inspect` that the stand-in fills. */
export interface Container {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly Config: {
    readonly Image: string;
    readonly Env: readonly string[];
    readonly Cmd: readonly string[];
    readonly Entrypoint: readonly string[] | null;
    readonly WorkingDir: string;
    readonly User: string;
    readonly Hostname: string;
    readonly Labels: Readonly<Record<string, string>>;
    readonly OpenStdin: boolean;
  };
  readonly HostConfig: {
    readonly Binds: readonly string[];
    readonly AutoRemove: boolean;
    readonly NetworkMode: string;
  };
  readonly NetworkSettings: {
    readonly IPAddress: string;
    readonly Networks: Readonly<Record<string, { readonly Aliases: readonly string[]; readonly IPAddress: string }>>;
  };
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly Pid: number;
    readonly ExitCode: number;
    readonly StartedAt: string;
  };
}

const root = path.join(process.env['SANDBOX_ROOT'] ?? process.env['HOME'] ?? '/tmp', 'var/lib/docker-stand-in');

/** A collection of JSON files by id. */
class Collection<T extends { readonly Id: string }> {
  constructor(
    private readonly kind: string,
    private readonly namesOf: (entry: T) => readonly string[],
  ) {}

  all(): readonly T[] {
    const folder = path.join(root, this.kind);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .flatMap((name) => this.read(path.join(folder, name)));
  }

  /** By name, id, or the beginning of an id. */
  find(name: string): T | undefined {
    const all = this.all();
    return (
      all.find((entry) => this.namesOf(entry).includes(name) || entry.Id === name) ??
      (/^[0-9a-f]{2,}$/.test(name) ? all.find((entry) => entry.Id.replace(/^sha256:/, '').startsWith(name)) : undefined)
    );
  }

  /** Others see the old file or the new one. */
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
    return path.join(root, this.kind, `${id.replace(/^sha256:/, '')}.json`);
  }

  private read(file: string): readonly T[] {
    try {
      return [JSON.parse(readFileSync(file, 'utf8')) as T];
    } catch {
      return [];
    }
  }
}

export const networks = new Collection<Network>('networks', (network) => [network.Name]);
export const images = new Collection<Image>('images', (image) => image.RepoTags);
export const containers = new Collection<Container>('containers', (container) => [
  container.Name,
  container.Name.slice(1),
]);

export function newId(): string {
  return randomBytes(32).toString('hex');
}

/** The container's own folder: log, exit status, and what stands for its root file system. */
export function folderOf(container: Container): string {
  return path.join(root, 'files', container.Id);
}
