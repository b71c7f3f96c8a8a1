/**
 * `gitlab-runner` as a job's machine needs it: the helper commands that stage scripts call for
 * artifacts and caches.
 */
import { existsSync, renameSync, statSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { runnerVersion } from '../versions';
import { selectFiles } from './select-files';
import { unzip, zip } from './zip';

const { version, revision } = runnerVersion('19.3');
const RESET = '\x1b[0;m';
const ATTEMPTS = 3;

class HelperFailed extends Error {}

const OPTIONS = {
  url: { type: 'string' },
  token: { type: 'string' },
  id: { type: 'string' },
  path: { type: 'string', multiple: true },
  exclude: { type: 'string', multiple: true },
  untracked: { type: 'boolean' },
  name: { type: 'string' },
  'artifact-type': { type: 'string' },
  'artifact-format': { type: 'string' },
  'expire-in': { type: 'string' },
  timeout: { type: 'string' },
  'response-header-timeout': { type: 'string' },
  file: { type: 'string' },
  'alternate-file': { type: 'string' },
  'env-file': { type: 'string' },
} as const;

type Options = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

function needed(options: Options, name: 'url' | 'token' | 'id' | 'file'): string {
  const value = options[name];
  if (value === undefined) throw new HelperFailed(`--${name} is missing`);
  return value;
}

function say(text: string): void {
  process.stderr.write(`${text}${RESET} \n`);
}

function warn(text: string): void {
  say(`\x1b[0;33mWARNING: ${text}`);
}

function introduce(): void {
  const facts = { arch: 'amd64', os: 'linux', pid: process.pid, revision, version };
  const words = Object.entries(facts).map(([name, value]) => `${name}${RESET}=${value}`);
  process.stderr.write(`Runtime platform                                  ${RESET}  ${words.join(' ')}\n`);
}

function select(options: Options): readonly string[] {
  const { names, notes } = selectFiles(process.cwd(), {
    paths: options.path ?? [],
    exclude: options.exclude ?? [],
    untracked: options.untracked ?? false,
  });
  for (const note of notes) (note.warning ? warn : say)(note.text);
  return names;
}

async function uploadArtifacts(options: Options): Promise<void> {
  introduce();
  const names = select(options);
  const what = options['artifact-type'] ?? 'archive';
  const format = options['artifact-format'] ?? 'zip';
  // Said as an error, and none: the job goes on.
  if (names.length === 0) return say(`\x1b[31;1mERROR: ${'No files to upload'.padEnd(43)}`);
  const zipped = format === 'zip';
  const content = zipped ? await zip(process.cwd(), names) : await joined(names, format === 'gzip');
  const name = options.name ?? 'artifacts';
  const filename = zipped ? `${name}.zip` : path.basename(name);
  const query = new URLSearchParams({ artifact_type: what, artifact_format: format });
  if (options['expire-in']) query.set('expire_in', options['expire-in']);
  const form = () => {
    const data = new FormData();
    data.append('file', new Blob([new Uint8Array(content)]), filename);
    return data;
  };
  const target = `${needed(options, 'url')}/api/v4/jobs/${needed(options, 'id')}/artifacts?${query.toString()}`;
  const status = await tryAgain(async () => {
    const answer = await fetch(target, {
      method: 'POST',
      headers: { 'JOB-TOKEN': needed(options, 'token') },
      body: form(),
    });
    return answer.status;
  });
  if (status !== 201) throw new HelperFailed(`Uploading artifacts as "${what}" to coordinator... ${status}`);
  say(
    `Uploading artifacts as "${what}" to coordinator... 201 Created${RESET}  id${RESET}=${options.id} status${RESET}=201`,
  );
}

/** Reports are one file, or several one after the other. */
async function joined(names: readonly string[], compressed: boolean): Promise<Buffer> {
  const files = names.filter((name) => statSync(name).isFile());
  const contents = await Promise.all(files.map((name) => readFile(name)));
  return Buffer.concat(contents.map((content) => (compressed ? gzipSync(content) : content)));
}

async function tryAgain(call: () => Promise<number>): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const status = await call().catch((error: unknown) => {
      if (attempt >= ATTEMPTS) throw new HelperFailed(`the coordinator cannot be reached: ${(error as Error).message}`);
      return 0;
    });
    if ((status !== 0 && status < 500) || attempt >= ATTEMPTS) return status;
    warn('Retrying...');
  }
}

async function downloadArtifacts(options: Options): Promise<void> {
  introduce();
  let archive = Buffer.alloc(0);
  const status = await tryAgain(async () => {
    const answer = await fetch(`${options.url}/api/v4/jobs/${options.id}/artifacts`, {
      headers: { 'JOB-TOKEN': needed(options, 'token') },
    });
    archive = Buffer.from(await answer.arrayBuffer());
    return answer.status;
  });
  if (status !== 200)
    throw new HelperFailed(`Downloading artifacts from coordinator... not found id=${options.id} status=${status}`);
  say(`Downloading artifacts from coordinator... ok      ${RESET}  id${RESET}=${options.id} status${RESET}=200`);
  await unzip(archive, process.cwd());
}

async function archiveCache(options: Options): Promise<void> {
  const file = needed(options, 'file');
  introduce();
  const names = select(options);
  if (names.length === 0) {
    warn('No files to cache.');
    return;
  }
  await mkdir(path.dirname(file), { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  await writeFile(unfinished, await zip(process.cwd(), names), { mode: 0o600 });
  renameSync(unfinished, file);
  say('No URL provided, cache will not be uploaded to shared cache server. Cache will be stored only locally.');
}

async function extractCache(options: Options): Promise<void> {
  const file = needed(options, 'file');
  introduce();
  say(
    'No URL provided, cache will not be downloaded from shared cache server. Instead a local version of cache will be extracted.',
  );
  if (!existsSync(file)) {
    warn('Cache file does not exist                ');
    throw new HelperFailed('');
  }
  await unzip(await readFile(file), process.cwd());
}

const COMMANDS: Readonly<Record<string, (options: Options) => Promise<void>>> = {
  'artifacts-uploader': uploadArtifacts,
  'artifacts-downloader': downloadArtifacts,
  'cache-archiver': archiveCache,
  'cache-extractor': extractCache,
};

async function main(args: readonly string[]): Promise<void> {
  const [name = '', ...rest] = args;
  if (name === '--version' || name === '-v') {
    process.stdout.write(`Version:      ${version}\nGit revision: ${revision}\n`);
    return;
  }
  if (name === 'run') {
    // A program of its own beside this one: what runs on instances stays small.
    await import(path.join(__dirname, '../runner.js'));
    return new Promise(() => undefined);
  }
  const command = COMMANDS[name];
  if (!command)
    throw new HelperFailed(
      `the sandbox's gitlab-runner knows run, ${Object.keys(COMMANDS).join(', ')}; not ${name || 'no command'}`,
    );
  await command(parseArgs({ args: rest, options: OPTIONS }).values);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  if (message !== '') process.stderr.write(`\x1b[31;1mERROR: ${message}${RESET} \n`);
  process.exit(1);
});
