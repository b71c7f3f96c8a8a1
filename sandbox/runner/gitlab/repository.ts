/**
 * The project's repository as GitLab holds it: bare, with all that a pipeline wants to know of a
 * commit.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Files } from '../pipeline/compose';
import type { MergeRequest } from '../pipeline/facts';

const run = promisify(execFile);

/** git itself, or what was asked of it, is missing; one sentence. */
class RepositoryProblem extends Error {}

const NO_SHA = '0'.repeat(40);
const MERGE_REQUEST_IID = 1;

/** Nobody's own configuration, hooks or prompts. */
const GIT_ENVIRONMENT = { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_NOSYSTEM: '1', GIT_OPTIONAL_LOCKS: '0' };

export async function git(args: readonly string[], cwd?: string): Promise<string> {
  try {
    const trusting = ['-c', 'safe.directory=*', '-c', 'advice.detachedHead=false'];
    const { stdout } = await run('git', [...trusting, ...args], {
      cwd,
      env: GIT_ENVIRONMENT,
      maxBuffer: 256 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const failure = error as NodeJS.ErrnoException & { stderr?: string };
    if (failure.code === 'ENOENT' && (cwd === undefined || existsSync(cwd)))
      throw new RepositoryProblem(
        'git is not on PATH; the sandbox serves and clones repositories with it: install git 2.20 or newer',
      );
    const said = (failure.stderr ?? failure.message).trim().split('\n').at(-1) ?? '';
    throw new RepositoryProblem(`git ${args[0]} failed: ${said.replace(/^fatal: /, '')}`);
  }
}

/** @throws RepositoryProblem where a folder has nothing that could be cloned */
async function checkFolder(folder: string): Promise<void> {
  if (!(await git(['rev-parse', '--git-dir'], folder).catch(() => '')))
    throw new RepositoryProblem(`${folder} is no git repository: run \`git init\` in it and commit its files`);
  if (!(await git(['rev-parse', '--verify', '--quiet', 'HEAD'], folder).catch(() => '')))
    throw new RepositoryProblem(`${folder} has no commit yet: the pipeline is one of a commit, so commit its files`);
}

/** How many files of a folder differ from its last commit; 0 for a URL. */
export async function uncommittedFiles(source: string): Promise<number> {
  if (!existsSync(source)) return 0;
  const status = await git(['status', '--porcelain'], source).catch(() => '');
  return status.split('\n').filter((line) => line !== '').length;
}

export interface Commit {
  readonly ref: string;
  readonly refType: 'branch' | 'tag';
  readonly defaultBranch: string;
  readonly sha: string;
  readonly beforeSha: string;
  readonly message: string;
  readonly author: string;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly changedFiles: readonly string[] | undefined;
}

export class Repository {
  private constructor(
    readonly directory: string,
    readonly projectPath: string,
  ) {}

  /**
   * Clones a folder or a URL below `root`, where GitLab's HTTP side serves it. @throws
   * RepositoryProblem
   */
  static async import(source: string, root: string, projectPath: string): Promise<Repository> {
    if (existsSync(source)) await checkFolder(source);
    const directory = path.join(root, `${projectPath}.git`);
    await mkdir(path.dirname(directory), { recursive: true });
    await git(['clone', '--quiet', '--bare', '--no-hardlinks', source, directory]);
    await git(['config', 'uploadpack.allowAnySHA1InWant', 'true'], directory);
    await git(['config', 'http.receivepack', 'false'], directory);
    return new Repository(directory, projectPath);
  }

  /** What a merge request of the branch into the default branch is about, once its ref is there. */
  async mergeRequest(commit: Commit): Promise<{ commit: Commit; request: MergeRequest }> {
    if (commit.refType !== 'branch')
      throw new RepositoryProblem(`${commit.ref} is a tag; a merge request needs a branch`);
    const { defaultBranch, sha } = commit;
    const ref = commit.ref === defaultBranch ? `change-of-${defaultBranch}` : commit.ref;
    await git(['update-ref', `refs/heads/${ref}`, sha], this.directory);
    await git(['update-ref', `refs/merge-requests/${MERGE_REQUEST_IID}/head`, sha], this.directory);
    const base = await git(['merge-base', defaultBranch, sha], this.directory).catch(() => commit.beforeSha);
    const baseSha = commit.ref === defaultBranch ? commit.beforeSha : base.trim();
    const changedFiles = baseSha === NO_SHA ? undefined : await this.changed(baseSha, sha);
    return {
      commit: { ...commit, ref, beforeSha: NO_SHA, changedFiles },
      request: { iid: MERGE_REQUEST_IID, targetBranch: defaultBranch, baseSha },
    };
  }

  /** @throws RepositoryProblem where there is no such branch or tag. */
  async commit(wanted?: string): Promise<Commit> {
    const head = (await git(['symbolic-ref', '--short', 'HEAD'], this.directory).catch(() => 'main')).trim();
    const ref = wanted ?? head;
    const refType = await this.refType(ref);
    const sha = (await git(['rev-parse', `${ref}^{commit}`], this.directory)).trim();
    const format = '--format=%an <%ae>%n%aI%n%P%n%B';
    const [author = '', timestamp = '', parents = '', ...message] = (
      await git(['log', '-1', format, sha], this.directory)
    ).split('\n');
    const [parent] = parents.split(' ');
    return {
      ref,
      refType,
      defaultBranch: head,
      sha,
      beforeSha: parent || NO_SHA,
      message: message.join('\n').trimEnd(),
      author,
      timestamp,
      changedFiles: parent ? await this.changed(parent, sha) : undefined,
    };
  }

  private async refType(ref: string): Promise<Commit['refType']> {
    for (const [folder, type] of [
      ['heads', 'branch'],
      ['tags', 'tag'],
    ] as const) {
      const found = await git(['rev-parse', '--verify', '--quiet', `refs/${folder}/${ref}`], this.directory).catch(
        () => '',
      );
      if (found) return type;
    }
    throw new RepositoryProblem(`the repository has no branch or tag ${ref} (or no commit yet)`);
  }

  private async changed(from: string, to: string): Promise<string[] | undefined> {
    const names = await git(['diff', '--name-only', '-z', from, to], this.directory).catch(() => undefined);
    return names?.split('\0').filter((name) => name !== '');
  }

  /**
   * All files of a commit; contents are read at once, since a pipeline's files are few and small.
   */
  async files(sha: string): Promise<Files> {
    const names = (await git(['ls-tree', '-r', '-z', '--name-only', sha], this.directory))
      .split('\0')
      .filter((name) => name !== '');
    const texts = new Map<string, string>();
    for (const name of names.filter((one) => /\.ya?ml$/.test(one)))
      texts.set(name, await git(['show', `${sha}:${name}`], this.directory));
    return { read: (file) => texts.get(file), list: () => names };
  }

  /** The newest commit that touched any of the files: what `cache:key:files` is made of. */
  async lastChange(sha: string, files: readonly string[]): Promise<string> {
    return (await git(['log', '-1', '--format=%H', sha, '--', ...files], this.directory)).trim();
  }
}
