import path from 'node:path';
import { readFileSync } from 'node:fs';
import { Backend } from '../backend/backend';
import { FileStorage } from '../backend/file-storage';
import { Locks } from '../backend/locks';
import { displayName, parseReference, type StackReference } from '../backend/reference';
import { S3Storage } from '../backend/s3-storage';
import { type Storage } from '../backend/storage';
import { type Invocation } from '../cli/command';
import { CommandError, StackNotFound } from '../errors';
import { pulumiHome, type Environment } from '../project/paths';
import { findProject, requireProject, type Project } from '../project/project';
import { selectedStack } from '../project/selection';

/** Nobody said where stacks are kept, and there is nobody to ask. */
class LoginRequired extends CommandError {
  override readonly name = 'LoginRequired';
  override readonly exitCode = 3;
}

/** What nearly every command begins with: the project it stands in and the backend it speaks to. */
export class Session {
  private constructor(
    readonly invocation: Invocation,
    readonly project: Project | undefined,
    readonly backend: Backend,
    readonly locks: Locks,
  ) {}

  static async open(invocation: Invocation): Promise<Session> {
    const project = findProject(invocation.cwd);
    const storage = openStorage(backendUrl(invocation.env, project), invocation.cwd, invocation.env);
    const backend = new Backend(storage, invocation.clock);
    await backend.prepare();
    return new Session(invocation, project, backend, new Locks(storage, invocation.clock));
  }

  get storage(): Storage {
    return this.backend.storage;
  }

  /** As {@link project}, but an error when the command stands in none. */
  requireProject(): Project {
    return this.project ?? requireProject(this.invocation.cwd);
  }

  parse(name: string): StackReference {
    return parseReference(name, this.project?.name);
  }

  display(stack: StackReference): string {
    return displayName(stack, this.project?.name);
  }

  /** The stack that is selected here, whether it exists or not. */
  selected(): StackReference | undefined {
    const name = selectedStack(this.invocation.env, this.project, this.storage.url);
    if (!name) return undefined;
    try {
      return this.parse(name);
    } catch {
      return undefined;
    }
  }

  /** The stack that `--stack` names, else the selected one; throws StackNotFound. */
  async requireStack(name = this.invocation.flags.string('stack')): Promise<StackReference> {
    if (name) {
      const stack = this.parse(name);
      if (await this.backend.exists(stack)) return stack;
      throw new StackNotFound(`no stack named '${name}' found`);
    }
    const selected = this.selected();
    if (selected && (await this.backend.exists(selected))) return selected;
    throw new CommandError('no stack selected; please use `pulumi stack select` or `pulumi stack init` to choose one');
  }
}

/** Where stacks are kept: PULUMI_BACKEND_URL, the project's wish, or where one logged in. */
export function backendUrl(env: Environment, project: Project | undefined): string {
  const url = env['PULUMI_BACKEND_URL'] || project?.backendUrl || currentLogin(env);
  if (!url) throw new LoginRequired('PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions');
  return url;
}

function currentLogin(env: Environment): string | undefined {
  try {
    return (JSON.parse(readFileSync(path.join(pulumiHome(env), 'credentials.json'), 'utf8')) as { current?: string })
      .current;
  } catch {
    return undefined;
  }
}

/** The storage behind a backend URL; throws CommandError for a kind that the sandbox has not. */
export function openStorage(url: string, cwd: string, env: Environment): Storage {
  if (/^s3:\/\/[^/?]/.test(url)) return new S3Storage(url.replace(/\/+$/, ''), env);
  if (!url.startsWith('file://')) {
    throw new CommandError(
      `backend '${url}' is not supported by the sandbox's engine; use file://DIRECTORY or s3://BUCKET`,
    );
  }
  const rest = url.slice('file://'.length).replace(/\?.*$/, '');
  const home = env['HOME'] ?? '';
  const directory = rest === '~' || rest.startsWith('~/') ? path.join(home, rest.slice(1)) : path.resolve(cwd, rest);
  return new FileStorage(url.replace(/\/+$/, '') || url, directory);
}
