import { readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod/mini';
import type { Cloud } from '../cloud/types';
import { jobFiles } from '../jobs/files';
import type { Settings } from '../settings/types';
import { PulumiCli } from './cli';
import { destroy } from './destroy';
import { failureOf } from './diagnostics';
import { EngineFailed } from './errors';
import type { Engine, StackSummary } from './types';
import { up } from './up';
import { cliVersion } from './version';
import { cliEnvironment, ensureWorkDir } from './workspace';

export * from './errors';
export type * from './types';

/**
 * Pulumi as the rest of src/ sees it. Finds and starts nothing before the first call; the SDK is
 * loaded by `up` alone.
 */
export function createEngine(settings: Settings, cloud: Cloud): Engine {
  let cached: PulumiCli | undefined;
  const cli = (): PulumiCli => (cached ??= new PulumiCli(cliEnvironment(settings)));
  const workDir = (stackName: string): string => jobFiles(settings.stateDir, stackName).engine;

  return {
    async up(args, options) {
      const version = await cliVersion(cli(), settings.stateDir);
      return up(args, options, { cli: cli(), version, directory: workDir(args.stackName) });
    },
    async destroy(stackName, options) {
      const { backendUrl } = settings.pulumi;
      return destroy(stackName, options, { cli: cli(), cloud, directory: workDir(stackName), backendUrl });
    },
    async list() {
      const lists = path.join(settings.stateDir, 'pulumi-list');
      const directory = path.join(lists, String(process.pid));
      ensureWorkDir(directory);
      try {
        const result = await cli().run({ args: ['stack', 'ls', '--json'], directory });
        if (result.exitCode !== 0) throw failureOf({ verb: 'stack ls', diagnostics: [], ...result });
        return parseStacks(result.stdout);
      } finally {
        // Those of a killed reaper too.
        for (const folder of readdirSync(lists).map((name) => path.join(lists, name)))
          if (folder === directory || Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0) > OLD_MS)
            rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

/** No list takes that long. */
const OLD_MS = 3_600_000;

const stacksSchema = z.array(
  z.object({
    name: z.string(),
    lastUpdate: z.optional(z.string()),
    updateInProgress: z.optional(z.boolean()),
    resourceCount: z.optional(z.nullable(z.number())),
  }),
);

function parseStacks(json: string): StackSummary[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = undefined;
  }
  const parsed = stacksSchema.safeParse(value);
  if (!parsed.success) throw new EngineFailed('`pulumi stack ls --json` does not answer with a list of stacks');
  return parsed.data.map((one) => ({
    // A backend with organizations may give the whole path.
    name: one.name.split('/').at(-1)!,
    lastUpdate: one.lastUpdate,
    resourceCount: one.resourceCount ?? undefined,
    updateInProgress: one.updateInProgress ?? false,
  }));
}
