import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod/mini';
import { findProgram } from '../host/find-program';
import { textOf } from '../host/text-of';
import { parsedAs } from '../schema';
import type { Settings } from '../settings/types';
import { PulumiCli } from './cli';
import { failureOf } from './diagnostics';
import { isStale } from './locks';
import { cliVersion } from './version';
import { backendDirectory, cliEnvironment, ensureWorkDir } from './workspace';

/** What `doctor` looks at of Pulumi on this host, beside the stacks. */
export interface EngineInspection {
  /** Of the CLI on PATH. @throws HostError when there is none, or it is too old */
  version(): Promise<string>;
  plugin(): Promise<PluginState>;
  /** Undefined: the backend's locks can't be looked at from outside (a bucket, Pulumi Cloud). */
  locks(): readonly LockedStack[] | undefined;
}

export interface PluginState {
  /** What stacks/ were written for: the version of the package @pulumi/alicloud. */
  readonly needed: string;
  /**
   * A provider on PATH counts before installed ones, whatever its version; '' where it does not
   * tell it.
   */
  readonly onPath: { readonly file: string; readonly version: string } | undefined;
  readonly installed: readonly string[];
  /** Where plugins are installed: PULUMI_HOME. */
  readonly home: string;
}

export interface LockedStack {
  readonly stack: string;
  /** `root@host (pid 1234)` */
  readonly owner: string;
  readonly since: string;
  /** Whoever took it is gone. */
  readonly stale: boolean;
}

const pluginsSchema = z.array(z.object({ name: z.string(), version: z.optional(z.nullable(z.string())) }));
const lockSchema = z.object({ pid: z.number(), username: z.string(), hostname: z.string(), timestamp: z.string() });
const PROVIDER = 'pulumi-resource-alicloud';
const VERSION_LIMIT_MS = 15_000;

export function createInspection(settings: Settings): EngineInspection {
  const environment = cliEnvironment(settings);
  const cli = new PulumiCli(environment);
  return {
    version: () => cliVersion(cli, settings.stateDir),
    async plugin() {
      const { version: needed } = await import('@pulumi/alicloud/package.json');
      return {
        needed,
        onPath: await providerOnPath(environment),
        installed: await installedPlugins(cli, path.join(settings.stateDir, 'pulumi-version')),
        home: environment.PULUMI_HOME ?? path.join(environment.HOME ?? '~', '.pulumi'),
      };
    },
    locks() {
      const { backendUrl } = settings.pulumi;
      if (!backendUrl.startsWith('file://')) return undefined;
      return locksBelow(path.join(backendDirectory(backendUrl), '.pulumi', 'locks'));
    },
  };
}

async function providerOnPath(environment: Readonly<Record<string, string>>): Promise<PluginState['onPath']> {
  const file = findProgram(PROVIDER, environment.PATH);
  if (file === undefined) return undefined;
  try {
    const { stdout } = await promisify(execFile)(file, ['-version'], {
      env: environment,
      timeout: VERSION_LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    return { file, version: /^v?(\d+\.\d+\.\d+\S*)$/m.exec(stdout)?.[1] ?? '' };
  } catch {
    return { file, version: '' };
  }
}

async function installedPlugins(cli: PulumiCli, directory: string): Promise<readonly string[]> {
  ensureWorkDir(directory);
  const result = await cli.run({ args: ['plugin', 'ls', '--json'], directory });
  if (result.exitCode !== 0) throw failureOf({ verb: 'plugin ls', diagnostics: [], ...result });
  return (parsedAs(pluginsSchema, result.stdout) ?? [])
    .filter(({ name }) => name === 'alicloud')
    .map(({ version }) => (version ?? '').replace(/^v/, ''));
}

/**
 * `.pulumi/locks/organization/PROJECT/STACK/UUID.json`, one file for each process that works on a
 * stack.
 */
function locksBelow(folder: string): readonly LockedStack[] {
  let files: string[];
  try {
    files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
  return files.flatMap((name) => {
    const lock = parsedAs(lockSchema, textOf(path.join(folder, name)));
    // Given back while we looked.
    if (lock === undefined) return [];
    const { pid, username, hostname, timestamp } = lock;
    const stack = path.basename(path.dirname(name));
    return {
      stack,
      owner: `${username}@${hostname} (pid ${pid})`,
      since: timestamp.replace(/\.\d+/, ''),
      stale: isStale({ host: hostname, pid, at: new Date(timestamp) }, stack, Date.now()),
    };
  });
}
