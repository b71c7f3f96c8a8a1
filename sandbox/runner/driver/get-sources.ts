/** The stages that bring the repository onto the machine. */
import path from 'node:path';
import { quote, type ShellWriter } from './shell';
import { begin, temporaryFile, type ScriptContext } from './script-context';

type GitStrategy = 'clone' | 'fetch' | 'none' | 'empty';

export function prepareScript(context: ScriptContext, writer: ShellWriter): ShellWriter {
  writer.line(`echo "Running on $(hostname) via ${context.hostname}..."`);
  if (context.version.alwaysCleansUp) {
    writer.removeFile(temporaryFile(context, 'gitlab_runner_env'));
    writer.removeFile(temporaryFile(context, 'masking.db'));
  }
  return writer;
}

/** Between two attempts at get_sources. */
export function clearWorktree(context: ScriptContext, writer: ShellWriter): ShellWriter {
  const project = context.directories.projectDir;
  writer.notice('Deleting tracked and untracked files...');
  return writer.ifDirectory(project, () => {
    writer.command('cd', project);
    writer.line('git rm -rf --ignore-unmatch --quiet .');
    writer.line('git clean -ffdx -q');
  });
}

export function getSources(context: ScriptContext): ShellWriter {
  const writer = begin(context, { writeFiles: true });
  writer.export('GIT_TERMINAL_PROMPT', '0').export('GCM_INTERACTIVE', 'Never').export('GIT_LFS_SKIP_SMUDGE', '1');
  for (const hook of context.payload.hooks ?? [])
    if (hook.name === 'pre_get_sources_script') writer.userCommands(hook.script);
  const strategy = gitStrategy(context);
  fetchRepository(context, writer, strategy);
  if (strategy === 'none' || strategy === 'empty') {
    writer.notice('Skipping Git checkout').notice('Skipping Git submodules setup');
  } else if (context.variables.get('GIT_CHECKOUT') === 'false') {
    writer.notice('Skipping Git checkout');
    submodules(context, writer);
  } else {
    checkout(context, writer);
    submodules(context, writer);
  }
  if (context.version.keepsTokenOutOfRemote) forgetCredential(context, writer);
  return writer;
}

function gitStrategy({ variables, payload }: ScriptContext): GitStrategy {
  const wish = variables.get('GIT_STRATEGY');
  if (wish === 'clone' || wish === 'none' || wish === 'empty' || wish === 'fetch') return wish;
  return payload.allow_git_fetch ? 'fetch' : 'clone';
}

function fetchRepository(context: ScriptContext, writer: ShellWriter, strategy: GitStrategy): void {
  const project = context.directories.projectDir;
  if (strategy === 'none') {
    writer.notice('Skipping Git repository setup').command('mkdir', '-p', project);
    return;
  }
  if (strategy === 'empty') {
    writer.notice('Skipping Git repository setup and creating an empty build directory');
    writer.removeDirectory(project).command('mkdir', '-p', project);
    return;
  }
  if (strategy === 'clone') writer.removeDirectory(project);
  removeGitLocks(context, writer);
  if (context.version.keepsTokenOutOfRemote) removeGitSettings(context, writer);
  const template = gitTemplate(context, writer);
  const remote = remoteUrl(context);
  if (context.version.keepsTokenOutOfRemote) credentialConfiguration(context, writer, template);
  const depth = fetchDepth(context);
  writer.notice(depth > 0 ? `Fetching changes with git depth set to ${depth}...` : 'Fetching changes...');
  writer.command('git', 'init', project, '--template', template).command('cd', project);
  const fresh = () => writer.notice('Created fresh repository.');
  writer.block(`if git remote add origin ${quote(remote)} >/dev/null 2>&1; then`, fresh, {
    otherwise: () => {
      writer.command('git', 'remote', 'set-url', 'origin', remote);
      if (context.version.keepsTokenOutOfRemote)
        includeExternal(writer, '.git/config', temporaryFile(context, '.gitlab-runner.ext.conf'));
    },
  });
  const flags = words(context.variables.get('GIT_FETCH_EXTRA_FLAGS')) ?? ['--prune', '--quiet'];
  writer.command(
    'git',
    '-c',
    `http.userAgent=gitlab-runner ${context.version.version} linux/amd64`,
    'fetch',
    'origin',
    '--no-recurse-submodules',
    ...context.payload.git_info.refspecs,
    ...(depth > 0 ? ['--depth', String(depth)] : []),
    ...flags,
  );
}

function fetchDepth(context: ScriptContext): number {
  const wish = context.variables.get('GIT_DEPTH');
  return wish === '' ? context.payload.git_info.depth : Number.parseInt(wish, 10) || 0;
}

/** What an interrupted earlier job may have left in a folder that is used again. */
function removeGitLocks(context: ScriptContext, writer: ShellWriter): void {
  const git = path.posix.join(context.directories.projectDir, '.git');
  for (const file of ['index.lock', 'shallow.lock', 'HEAD.lock', 'hooks/post-checkout', 'config.lock'])
    writer.removeFile(path.posix.join(git, file));
  if (!context.version.alwaysCleansUp) return;
  const refs = path.posix.join(git, 'refs');
  writer.ifDirectory(refs, () => writer.line(`find ${quote(refs)} -name '*.lock' -type f -exec rm -f {} ';'`));
}

/** Hooks and settings that a job might have planted for the next one. */
function removeGitSettings(context: ScriptContext, writer: ShellWriter): void {
  const git = path.posix.join(context.directories.projectDir, '.git');
  for (const folder of [temporaryFile(context, 'git-template'), git]) {
    writer.removeFile(path.posix.join(folder, 'config'));
    const hooks = path.posix.join(folder, 'hooks');
    writer.ifDirectory(hooks, () => writer.command('chmod', '-R', 'u+rwX', hooks));
    writer.removeDirectory(hooks);
  }
}

function gitTemplate(context: ScriptContext, writer: ShellWriter): string {
  const template = temporaryFile(context, 'git-template');
  const config = path.posix.join(template, 'config');
  writer.command('mkdir', '-p', template);
  const settings = [
    ['init.defaultBranch', 'none'],
    ['fetch.recurseSubmodules', 'false'],
    ['credential.interactive', 'never'],
    ['gc.autoDetach', 'false'],
    ['transfer.bundleURI', 'true'],
  ];
  for (const [key = '', value = ''] of settings) writer.command('git', 'config', '-f', config, key, value);
  return template;
}

function withoutCredentials(url: string): string {
  return url.replace(/^(https?:\/\/)[^@/]*@/, '$1');
}

function remoteUrl(context: ScriptContext): string {
  const { repo_url: url } = context.payload.git_info;
  return context.version.keepsTokenOutOfRemote ? withoutCredentials(url) : url;
}

/**
 * The token goes into a file of its own beside the project, and is put into URLs only while git
 * talks.
 */
function credentialConfiguration(context: ScriptContext, writer: ShellWriter, template: string): void {
  const external = temporaryFile(context, '.gitlab-runner.ext.conf');
  writer.removeFile(external);
  const { repo_url: url } = context.payload.git_info;
  const plain = withoutCredentials(url);
  if (plain !== url) {
    const base = (whole: string) => /^https?:\/\/[^/]+/.exec(whole)?.[0] ?? whole;
    writer.command('git', 'config', '-f', external, `url.${url}.insteadOf`, plain);
    writer.command('git', 'config', '-f', external, `url.${base(url)}.insteadOf`, base(plain));
  }
  writer.command('touch', external);
  includeExternal(writer, path.posix.join(template, 'config'), external);
}

function includeExternal(writer: ShellWriter, config: string, external: string): void {
  writer.command(
    'git',
    'config',
    '-f',
    config,
    '--replace-all',
    'include.path',
    external,
    '\\.gitlab-runner\\.ext\\.conf$',
  );
}

function checkout(context: ScriptContext, writer: ShellWriter): void {
  const { sha, ref } = context.payload.git_info;
  writer.notice(`Checking out ${sha.slice(0, 8)} as detached HEAD (ref is ${ref})...`);
  writer.command('git', '-c', 'submodule.recurse=false', 'checkout', '-f', '-q', sha);
  const clean = cleanFlags(context);
  if (clean) writer.command('git', 'clean', ...clean);
  writer.block('if git lfs version >/dev/null 2>&1; then', () => writer.line('git lfs pull').line('echo'));
}

function cleanFlags(context: ScriptContext): string[] | undefined {
  const wish = context.variables.get('GIT_CLEAN_FLAGS');
  return wish === 'none' ? undefined : (words(wish) ?? ['-ffdx']);
}

function submodules(context: ScriptContext, writer: ShellWriter): void {
  const strategy = context.variables.get('GIT_SUBMODULE_STRATEGY');
  if (strategy !== 'normal' && strategy !== 'recursive') {
    writer.notice('Skipping Git submodules setup');
    return;
  }
  const recursive = strategy === 'recursive';
  const depth = context.variables.get('GIT_SUBMODULE_DEPTH');
  const deeper = recursive ? ['--recursive'] : [];
  writer.notice(
    `Updating/initializing submodules${recursive ? ' recursively' : ''}${depth ? ` with git depth set to ${depth}` : ''}...`,
  );
  writer.command('git', 'submodule', 'init');
  writer.command('git', 'submodule', 'sync', ...deeper);
  const flags = words(context.variables.get('GIT_SUBMODULE_UPDATE_FLAGS')) ?? [];
  const paths = words(context.variables.get('GIT_SUBMODULE_PATHS')) ?? [];
  writer.command(
    'git',
    'submodule',
    'update',
    '--init',
    ...deeper,
    ...(depth ? ['--depth', depth] : []),
    ...flags,
    ...(paths.length > 0 ? ['--', ...paths] : []),
  );
  const clean = cleanFlags(context);
  if (clean) writer.line(`git submodule foreach ${deeper.join('')} ${quote(`git clean ${clean.join(' ')}`)}`);
}

function forgetCredential(context: ScriptContext, writer: ShellWriter): void {
  const server = context.variables.get('CI_SERVER_URL');
  if (server === '') return;
  writer.line(`printf 'url=%s\\nusername=gitlab-ci-token\\n' ${quote(server)} | git credential reject || true`);
}

function words(text: string): string[] | undefined {
  const found = text.split(/\s+/).filter((word) => word !== '');
  return found.length > 0 ? found : undefined;
}

/** cleanup_file_variables: what the job's scripts wrote beside the project goes. */
export function cleanUp(context: ScriptContext, writer: ShellWriter, files: readonly string[]): ShellWriter {
  if (!context.version.alwaysCleansUp) {
    for (const name of files) writer.removeFile(temporaryFile(context, name));
    writer.removeFile(temporaryFile(context, 'gitlab_runner_env'));
    return writer;
  }
  forgetCredential(context, writer);
  for (const name of ['gitlab_runner_env', 'masking.db', '.gitlab-runner.ext.conf', '.glr.gconf', ...files])
    writer.removeFile(temporaryFile(context, name));
  removeGitLocks(context, writer);
  removeGitSettings(context, writer);
  return writer;
}
