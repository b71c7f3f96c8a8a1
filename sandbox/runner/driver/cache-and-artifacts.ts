/**
 * The stages that move files in and out; each calls `gitlab-runner` on the machine, and goes
 * without where there is none.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { JobArtifact, JobCache } from '../payload';
import { quote, type ShellWriter } from './shell';
import { projectPath } from './variables';
import { beginInProject, temporaryFile, type ScriptContext } from './script-context';

const HAVE_RUNNER = 'if gitlab-runner --version >/dev/null 2>&1; then';

/** Minutes the helper may take for one cache. */
const CACHE_TIMEOUT = '10';

function cacheFile(context: ScriptContext, key: string): string {
  const file = path.posix.join(context.directories.cacheDir, projectPath(context.payload), key, 'cache.zip');
  return path.posix.relative(context.directories.projectDir, file);
}

/** A key must not leave the project's folder of the cache. */
function safeKey(context: ScriptContext, key: string): string {
  return context.variables
    .expand(key)
    .replaceAll('\\', '/')
    .replace(/(^|\/)\.\.?(?=\/|$)/g, '$1')
    .replace(/^\/+|\/+$/g, '');
}

export function restoreCache(context: ScriptContext): ShellWriter | undefined {
  const caches = context.payload.cache.filter((cache) => cache.policy !== 'push' && hasFiles(cache));
  if (caches.length === 0) return undefined;
  const writer = beginInProject(context);
  const fallback = context.variables.get('CACHE_FALLBACK_KEY');
  const restore = () => {
    for (const cache of caches) {
      const keys = [
        cache.key,
        ...cache.fallback_keys,
        ...(fallback && !fallback.endsWith('-protected') ? [fallback] : []),
      ];
      extract(
        context,
        writer,
        keys.map((key) => safeKey(context, key)).filter((key) => key !== ''),
      );
    }
  };
  return writer.block(HAVE_RUNNER, restore, {
    otherwise: () => writer.warning('Missing gitlab-runner. Extracting cache is disabled.'),
  });
}

function extract(context: ScriptContext, writer: ShellWriter, keys: readonly string[]): void {
  const [key, ...others] = keys;
  if (key === undefined) return;
  writer.notice(`Checking cache for ${key}...`);
  const command = `gitlab-runner cache-extractor --file ${quote(cacheFile(context, key))} --timeout ${CACHE_TIMEOUT}`;
  writer.block(`if ${command}; then`, () => writer.notice('Successfully extracted cache'), {
    otherwise: () => {
      writer.warning('Failed to extract cache');
      extract(context, writer, others);
    },
  });
}

function hasFiles(what: { paths: readonly string[] | null; untracked: boolean }): boolean {
  return what.untracked || (what.paths ?? []).length > 0;
}

function wanted(when: string | null, succeeded: boolean): boolean {
  return when === 'always' || (when ?? 'on_success') === (succeeded ? 'on_success' : 'on_failure');
}

function fileFlags(
  context: ScriptContext,
  what: { paths: readonly string[] | null; untracked: boolean; exclude?: readonly string[] | null },
): string[] {
  return [
    ...(what.paths ?? []).flatMap((one) => ['--path', context.variables.expand(one)]),
    ...(what.exclude ?? []).flatMap((one) => ['--exclude', context.variables.expand(one)]),
    ...(what.untracked ? ['--untracked'] : []),
  ];
}

export function archiveCache(context: ScriptContext, succeeded: boolean): ShellWriter | undefined {
  const caches = context.payload.cache.filter(
    (cache) => cache.policy !== 'pull' && hasFiles(cache) && wanted(cache.when, succeeded),
  );
  if (caches.length === 0) return undefined;
  const writer = beginInProject(context);
  return writer.block(HAVE_RUNNER, () => caches.forEach((cache) => archive(context, writer, cache)), {
    otherwise: () => writer.warning('Missing gitlab-runner. Creating cache is disabled.'),
  });
}

function archive(context: ScriptContext, writer: ShellWriter, cache: JobCache): void {
  const key = safeKey(context, cache.key);
  const flags = ['--file', cacheFile(context, key)];
  writer.notice(`Creating cache ${key}...`);
  const note = temporaryFile(context, 'gitlab_runner_cache_env');
  if (context.version.alwaysCleansUp) {
    const hashed = createHash('sha256').update(key).digest('hex');
    writer.line(
      `printf '%s\\n' ${quote(`CACHE_METADATA=${JSON.stringify(JSON.stringify({ cachekey: key }))}`)} > ${quote(note)}`,
    );
    flags.push('--alternate-file', cacheFile(context, hashed), '--env-file', note);
  }
  flags.push('--timeout', CACHE_TIMEOUT, ...fileFlags(context, cache));
  writer.block(
    `if gitlab-runner cache-archiver ${flags.map(quote).join(' ')}; then`,
    () => writer.notice('Created cache'),
    {
      otherwise: () => writer.warning('Failed to create cache'),
    },
  );
  if (context.version.alwaysCleansUp) writer.removeFile(note);
}

export function downloadArtifacts(context: ScriptContext): ShellWriter | undefined {
  const from = context.payload.dependencies.filter((job) => job.artifacts_file?.filename);
  if (from.length === 0) return undefined;
  const writer = beginInProject(context);
  const server = context.variables.get('CI_SERVER_URL');
  const download = () => {
    for (const job of from) {
      writer.notice(`Downloading artifacts for ${job.name} (${job.id})...`);
      writer.command(
        'gitlab-runner',
        'artifacts-downloader',
        '--url',
        server,
        '--token',
        job.token,
        '--id',
        String(job.id),
      );
    }
  };
  return writer.block(HAVE_RUNNER, download, {
    otherwise: () => writer.warning('Missing gitlab-runner. Artifacts downloading is disabled.'),
  });
}

export function uploadArtifacts(context: ScriptContext, succeeded: boolean): ShellWriter | undefined {
  const artifacts = (context.payload.artifacts ?? []).filter((one) => hasFiles(one) && wanted(one.when, succeeded));
  if (artifacts.length === 0) return undefined;
  const writer = beginInProject(context);
  const upload = () => {
    writer.notice('Uploading artifacts...');
    for (const one of artifacts) writer.command('gitlab-runner', 'artifacts-uploader', ...uploadFlags(context, one));
  };
  return writer.block(HAVE_RUNNER, upload, {
    otherwise: () => writer.warning('Missing gitlab-runner. Uploading artifacts is disabled.'),
  });
}

function uploadFlags(context: ScriptContext, artifact: JobArtifact): string[] {
  const { id, token } = context.payload;
  return [
    '--url',
    context.variables.get('CI_SERVER_URL'),
    '--token',
    token,
    '--id',
    String(id),
    ...(context.version.alwaysCleansUp ? ['--timeout', '1h0m0s', '--response-header-timeout', '10m0s'] : []),
    ...fileFlags(context, artifact),
    ...(artifact.name ? ['--name', context.variables.expand(artifact.name)] : []),
    ...(artifact.expire_in ? ['--expire-in', artifact.expire_in] : []),
    ...(artifact.artifact_format ? ['--artifact-format', artifact.artifact_format] : []),
    ...(artifact.artifact_type ? ['--artifact-type', artifact.artifact_type] : []),
  ];
}
