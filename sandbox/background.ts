/** A sandbox by hand: its cloud runs in the background, found again by a folder. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { open, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { CloudInfo } from './cloud/types';
import type { SandboxEnvironment } from './environment';
import { dockerWorks, programWords, realHelper } from './image-programs';
import type { MachineSpec } from './instance/machine';
import { builtFolder, environmentOf, furnish, hostProgram, SandboxProblem, sharedFolders } from './start';

/** As in deploy/.env.example, where nothing else listens there. */
const GITLAB_PORT = 8668;
const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 30_000;
const PAUSE_MS = 50;

const infoSchema = z.looseObject({ pid: z.number(), endpoint: z.string(), caFile: z.string() });

export interface BackgroundCloud {
  readonly pid: number;
  readonly info: CloudInfo;
}

const cloudFolder = (directory: string) => path.join(directory, 'cloud');

const gitlabPortFile = (directory: string) => path.join(directory, 'gitlab-port');

/** Where `npm run sandbox -- gitlab` of this folder listens. */
export function gitlabPort(directory: string): number {
  return Number(readFileSync(gitlabPortFile(directory), 'utf8'));
}

/** The wanted one, or another that is free. */
function freePort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => (wanted === 0 ? reject(error) : resolve(freePort(0))));
    server.listen(wanted, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** The cloud that runs for this folder, if one does. */
export function runningCloud(directory: string): BackgroundCloud | undefined {
  const file = path.join(cloudFolder(directory), 'cloud.json');
  if (!existsSync(file)) return undefined;
  const parsed = infoSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (!parsed.success || !isOurs(parsed.data.pid, cloudFolder(directory))) return undefined;
  return { pid: parsed.data.pid, info: parsed.data as unknown as CloudInfo };
}

/** A process id may have become somebody else's since. */
function isOurs(pid: number, folder: string): boolean {
  try {
    process.kill(pid, 0);
    if (!existsSync('/proc/self/cmdline')) return true;
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(folder);
  } catch {
    return false;
  }
}

/** @throws SandboxProblem with the end of its log where the cloud does not come up. */
export async function startInBackground(directory: string, real: boolean): Promise<BackgroundCloud> {
  await furnish(directory, real);
  await writeFile(gitlabPortFile(directory), String(await freePort(GITLAB_PORT)), { mode: 0o600 });
  const logFile = path.join(directory, 'cloud.log');
  const log = await open(logFile, 'a', 0o600);
  const script = path.join(builtFolder(), 'cloud.js');
  const shared = sharedFolders(directory).flatMap((folder) => ['--share', folder]);
  const programs: MachineSpec['programs'] = real
    ? { ...realHelper(hostProgram('gitlab-runner')), ...((await dockerWorks()) ? { docker: 'host' } : {}) }
    : {};
  const bring = programWords(programs).flatMap((word) => ['--program', word]);
  const child = spawn(
    process.execPath,
    [script, '--directory', cloudFolder(directory), '--furnished', ...shared, ...bring],
    {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      cwd: directory,
    },
  );
  child.unref();
  await log.close();
  let exited = false;
  child.once('exit', () => (exited = true));
  for (const deadline = Date.now() + START_LIMIT_MS; ; await sleep(PAUSE_MS)) {
    const running = runningCloud(directory);
    if (running) return running;
    if (!exited && Date.now() < deadline) continue;
    if (!exited) child.kill('SIGKILL');
    const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join(' / ');
    throw new SandboxProblem(
      `the simulated cloud did not come up within ${START_LIMIT_MS / 1000} s: ${said || 'it said nothing'} (${logFile})`,
    );
  }
}

/** @returns whether one was running. */
export async function stopInBackground(directory: string): Promise<boolean> {
  const running = runningCloud(directory);
  if (!running) return false;
  process.kill(running.pid, 'SIGTERM');
  for (const deadline = Date.now() + STOP_LIMIT_MS; runningCloud(directory); await sleep(PAUSE_MS)) {
    if (Date.now() < deadline) continue;
    process.kill(running.pid, 'SIGKILL');
    await rm(path.join(cloudFolder(directory), 'cloud.json'), { force: true });
    break;
  }
  return true;
}

export function backgroundEnvironment(
  directory: string,
  { info }: BackgroundCloud,
  providerSleeps: string | undefined,
): SandboxEnvironment & HostFiles {
  return {
    ...environmentOf(directory, info, providerSleeps),
    GITLAB_SPOT_ENV_FILE: path.join(directory, 'env'),
    CONFIG_FILE: path.join(directory, 'config.toml'),
    GITLAB_SPOT_GITLAB_URL: `http://127.0.0.1:${gitlabPort(directory)}`,
  };
}

/**
 * What `init` and `register` write would else lie in /etc; and where `npm run sandbox -- gitlab`
 * listens.
 */
interface HostFiles {
  readonly GITLAB_SPOT_ENV_FILE: string;
  readonly CONFIG_FILE: string;
  readonly GITLAB_SPOT_GITLAB_URL: string;
}

/** Lines that any POSIX shell takes. */
export function exportLines(environment: SandboxEnvironment & HostFiles): string {
  return Object.entries(environment)
    .map(([name, value]) => `export ${name}='${String(value).replaceAll("'", `'\\''`)}'\n`)
    .join('');
}

/** Kept for `stop --purge`. */
export async function purge(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
}

/** So that a person who finds the folder knows what it is. */
export async function explain(directory: string): Promise<void> {
  await writeFile(
    path.join(directory, 'README'),
    'State of `npm run sandbox`: the simulated cloud, a Pulumi backend, build folders. `npm run sandbox -- stop --purge` removes it.\n',
  );
}
