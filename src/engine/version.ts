import { realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod/mini';
import { HostError } from '../errors';
import { textOf } from '../host/text-of';
import { parsedAs } from '../schema';
import type { PulumiCli } from './cli';

const cacheSchema = z.object({ key: z.string(), version: z.string() });

/** The Automation API of ours wants at least this. */
const OLDEST = [3, 2, 0] as const;

/** Identifies the installed CLI: its path, time and size, since an update replaces it in place. */
export function executableOf(cli: PulumiCli): string {
  const executable = realpathSync(cli.find());
  const { mtimeMs, size } = statSync(executable);
  return `${executable} ${mtimeMs} ${size}`;
}

/**
 * The CLI's version, asked once for each installed executable of the host: a start of the CLI is
 * 0.1 s and 100 MB.
 * @throws HostError when it is too old, or no Pulumi at all.
 */
export async function cliVersion(cli: PulumiCli, stateDir: string): Promise<string> {
  const key = executableOf(cli);
  const file = path.join(stateDir, 'pulumi-version.json');
  const cached = readCache(file, key);
  if (cached !== undefined) return cached;
  const { stdout, exitCode } = await cli.run({ args: ['version'], directory: path.join(stateDir, 'pulumi-version') });
  const version = /^v?(\d+)\.(\d+)\.(\d+)\S*/.exec(stdout.trim());
  if (exitCode !== 0 || !version) {
    throw new HostError(`\`${cli.find()} version\` does not answer with a version`, {
      remedy: 'Install the pulumi CLI (3.x) on the runner host.',
    });
  }
  const [major, minor] = [Number(version[1]), Number(version[2])];
  if (major !== OLDEST[0] || minor < OLDEST[1]) {
    throw new HostError(`The pulumi CLI on PATH is ${version[0]}; it must be 3.2 or newer, and 3.x`, {
      remedy: 'Install a newer pulumi CLI on the runner host.',
    });
  }
  const plain = version[0].replace(/^v/, '');
  writeFileAtomic.sync(file, JSON.stringify({ key, version: plain }), { mode: 0o600 });
  return plain;
}

function readCache(file: string, key: string): string | undefined {
  const cached = parsedAs(cacheSchema, textOf(file));
  return cached?.key === key ? cached.version : undefined;
}
