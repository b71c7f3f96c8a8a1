import path from 'node:path';
import * as z from 'zod/mini';
import type { Cloud } from '../cloud/types';
import { jobFiles } from '../jobs/files';
import { parsedAs } from '../schema';
import type { Settings } from '../settings/types';
import { PulumiCli } from './cli';
import { destroy } from './destroy';
import { failureOf } from './diagnostics';
import { EngineFailed } from './errors';
import { jobProgram, knownJobProgram, type JobProgram, type JobStack } from './job-program';
import { loadAutomation } from './sdk';
import type { BringUp, Engine, StackSummary, UpOptions } from './types';
import { up } from './up';
import { cliVersion } from './version';
import { cliEnvironment, ensureWorkDir } from './workspace';

export * from './errors';
export { startUp, type UpProgram } from './up-process';
export type * from './types';

/**
 * Pulumi as the rest of src/ sees it. Finds and starts nothing before the first call; the SDK is
 * loaded by `up` alone.
 */
export function createEngine(settings: Settings, cloud: Cloud): Engine {
  const cli = cliOf(settings);
  const bringUp = createUp(settings, cli);
  const workDir = (stackName: string): string => jobFiles(settings.stateDir, stackName).engine;

  return {
    up: async (args, options) => bringUp({ stackName: args.stackName, args: Promise.resolve(args) }, options),
    async destroy(stackName, options) {
      const { backendUrl } = settings.pulumi;
      return destroy(stackName, options, { cli: cli(), cloud, directory: workDir(stackName), backendUrl });
    },
    async list() {
      const directory = path.join(settings.stateDir, 'pulumi-list');
      ensureWorkDir(directory);
      const result = await cli().run({ args: ['stack', 'ls', '--json'], directory });
      if (result.exitCode !== 0) throw failureOf({ verb: 'stack ls', diagnostics: [], ...result });
      return parseStacks(result.stdout);
    },
  };
}

function cliOf(settings: Settings): () => PulumiCli {
  let cached: PulumiCli | undefined;
  return () => (cached ??= new PulumiCli(cliEnvironment(settings)));
}

/** Engine.up, in this process, of a stack whose content may be told later. */
export function createUp(settings: Settings, cli = cliOf(settings)): BringUp {
  let program: Promise<JobProgram> | undefined;
  return async (request, options) => {
    const version = await cliVersion(cli(), settings.stateDir);
    // Once for all pools of a job. Before the SDK is loaded, since a check takes memory too.
    const { load } = await (program ??= programFor(settings, options));
    const jobStack = async (): Promise<JobStack> => load?.() ?? (await import('../../stacks/job')).jobStack;
    const directory = jobFiles(settings.stateDir, request.stackName).engine;
    return up(request, options, { cli: cli(), version, settings, directory, jobStack });
  };
}

/**
 * Loads what an `up` needs, unless stacks/job.ts is to be checked first, which takes memory too.
 */
export async function expectUp({ stateDir }: Pick<Settings, 'stateDir'>): Promise<void> {
  if (knownJobProgram(stateDir)) await Promise.all([loadAutomation(), import('../../stacks/job')]);
}

async function programFor(
  { stateDir }: Pick<Settings, 'stateDir'>,
  { log, signal }: Pick<UpOptions, 'log' | 'signal'>,
): Promise<JobProgram> {
  const program = await jobProgram({ stateDir, log, signal });
  const [problem, ...more] = program.problems;
  if (problem !== undefined)
    log(
      `${problem}${more.length > 0 ? ` (and ${more.length} more)` : ''}: jobs go by ${program.goesBy} (\`gitlab-spot check\` says when stacks/job.ts is right again)`,
    );
  return program;
}

const stacksSchema = z.array(
  z.object({
    name: z.string(),
    lastUpdate: z.optional(z.string()),
    updateInProgress: z.optional(z.boolean()),
    resourceCount: z.optional(z.nullable(z.number())),
  }),
);

function parseStacks(json: string): StackSummary[] {
  const parsed = parsedAs(stacksSchema, json);
  if (parsed === undefined) throw new EngineFailed('`pulumi stack ls --json` does not answer with a list of stacks');
  return parsed.map((one) => ({
    // A backend with organizations may give the whole path.
    name: one.name.split('/').at(-1)!,
    lastUpdate: one.lastUpdate,
    resourceCount: one.resourceCount ?? undefined,
    updateInProgress: one.updateInProgress ?? false,
  }));
}
