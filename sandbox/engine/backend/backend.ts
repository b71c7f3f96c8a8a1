import { CommandError } from '../errors';
import { type Clock } from '../clock';
import { type Checkpoint, type Deployment } from '../state/checkpoint';
import { parseJson } from './json';
import { displayName, qualifiedName, type StackReference } from './reference';
import { type Storage } from './storage';

/** The stack to be made exists already. */
class StackExists extends CommandError {
  override readonly name = 'StackExists';
}

/** The stack has resources and would leave them behind. */
class StackHasResources extends CommandError {
  override readonly name = 'StackHasResources';
}

/**
 * The files of a backend that keeps its own state (file://, s3://): checkpoints and their copies,
 * by project and stack.
 */
export class Backend {
  constructor(
    readonly storage: Storage,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes sure that the layout's version stands in the backend; throws on a layout that is not
   * ours.
   */
  async prepare(): Promise<void> {
    const meta = (await this.storage.read('.pulumi/meta.yaml'))?.toString();
    if (meta === undefined) return this.storage.write('.pulumi/meta.yaml', Buffer.from('version: 1\n'));
    const version = /^version:\s*(\d+)\s*$/m.exec(meta)?.[1];
    if (version !== '1') {
      throw new CommandError(
        `state store unsupported: 'meta.yaml' version (${version ?? 'missing'}) is not supported by this version of the Pulumi CLI`,
      );
    }
  }

  async exists(stack: StackReference): Promise<boolean> {
    return (await this.storage.read(checkpointKey(stack))) !== undefined;
  }

  /** The stack's file; undefined when there is no such stack. */
  async load(stack: StackReference): Promise<Checkpoint | undefined> {
    const key = checkpointKey(stack);
    const content = await this.storage.read(key);
    if (!content) return undefined;
    let checkpoint: Checkpoint;
    try {
      checkpoint = parseJson<Checkpoint>(content.toString(), 'apitype.VersionedCheckpoint');
    } catch (error) {
      throw new CommandError(`failed to load checkpoint: place 1: ${(error as Error).message}`);
    }
    if (checkpoint.version !== undefined && checkpoint.version > 3 && checkpoint.version !== 4)
      throw new CommandError(`failed to load checkpoint: unsupported checkpoint version ${checkpoint.version}`);
    return checkpoint;
  }

  /** Replaces the stack's state; what stood there is kept beside it as .bak. */
  async save(stack: StackReference, deployment: Deployment | undefined): Promise<void> {
    const key = checkpointKey(stack);
    await this.storage.copy(key, `${key}.bak`);
    const checkpoint: Checkpoint = {
      version: deployment ? 3 : 0,
      checkpoint: { stack: qualifiedName(stack), ...(deployment && { latest: deployment }) },
    };
    await this.storage.write(key, Buffer.from(JSON.stringify(checkpoint)));
  }

  async create(stack: StackReference, deployment: Deployment | undefined): Promise<void> {
    if (await this.exists(stack)) throw new StackExists(`stack '${qualifiedName(stack)}' already exists`);
    await this.save(stack, undefined);
    if (deployment) await this.save(stack, deployment);
  }

  /** Removes a stack with its history; throws StackHasResources unless forced. */
  async remove(
    stack: StackReference,
    options: { force: boolean; removeBackups: boolean; currentProject: string | undefined },
  ): Promise<void> {
    const resources = (await this.load(stack))?.checkpoint.latest?.resources ?? [];
    const onlyRoot = resources.length === 1 && resources[0]!.type === 'pulumi:pulumi:Stack';
    if (!options.force && resources.length > 0 && !onlyRoot) {
      const name = displayName(stack, options.currentProject);
      throw new StackHasResources(
        `'${name}' still has resources; removal rejected. Possible actions:\n` +
          `- Make sure that '${name}' is the stack that you want to destroy\n` +
          '- Run `pulumi destroy` to delete the resources, then run `pulumi stack rm`\n' +
          '- Run `pulumi stack rm --force` to override this error',
      );
    }
    const key = checkpointKey(stack);
    if (options.removeBackups) {
      await this.storage.remove(`${key}.bak`);
      await this.removeFolder(backupFolder(stack));
    } else await this.storage.copy(key, `${key}.bak`);
    await this.storage.remove(key);
    await this.removeFolder(historyFolder(stack));
  }

  private async removeFolder(folder: string): Promise<void> {
    for (const name of await this.storage.list(folder)) await this.storage.remove(`${folder}/${name}`);
  }

  /** All stacks, or those of one project, sorted by project and name. */
  async list(project?: string): Promise<StackReference[]> {
    const projects = project ? [`${project}/`] : (await this.storage.list(STACKS)).filter((name) => name.endsWith('/'));
    const stacks: StackReference[] = [];
    for (const folder of projects) {
      for (const name of await this.storage.list(STACKS + folder)) {
        if (name.endsWith('.json')) stacks.push({ project: folder.slice(0, -1), name: name.slice(0, -'.json'.length) });
      }
    }
    return stacks;
  }

  /** Keeps a copy of the state as it stands. */
  async backup(stack: StackReference): Promise<void> {
    await this.storage.copy(
      checkpointKey(stack),
      `${backupFolder(stack)}/${stack.name}.${this.clock.unixNanoseconds()}.json`,
    );
  }
}

const STACKS = '.pulumi/stacks/';

export function checkpointKey({ project, name }: StackReference): string {
  return `${STACKS}${project}/${name}.json`;
}

export function historyFolder({ project, name }: StackReference): string {
  return `.pulumi/history/${project}/${name}`;
}

function backupFolder({ project, name }: StackReference): string {
  return `.pulumi/backups/${project}/${name}`;
}
