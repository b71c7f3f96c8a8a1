import * as z from 'zod/mini';
import type { FoundationArgs } from '../../stacks/foundation';
import type { Settings } from '../settings/types';
import { automationCommand, CliFailed } from './automation-command';
import { PulumiCli } from './cli';
import { failureOf } from './diagnostics';
import { EngineFailed } from './errors';
import { loadAutomation } from './sdk';
import { initStack } from './init-stack';
import { EventReader } from './up';
import type { UpOptions } from './types';
import { cliVersion } from './version';
import { cliEnvironment, ensureWorkDir } from './workspace';
import path from 'node:path';

export type { FoundationArgs };

/** The stack's name, for `pulumi up --stack foundation` by hand as well. */
const FOUNDATION = 'foundation';

const outputsSchema = z.object({
  vpcId: z.string(),
  vSwitchIds: z.record(z.string(), z.string()),
  natAddress: z.optional(z.string()),
  securityGroupId: z.optional(z.string()),
  cacheBucket: z.optional(z.string()),
  stateBucket: z.optional(z.string()),
  backendUrl: z.optional(z.string()),
  roleName: z.optional(z.string()),
});

export type FoundationResult = z.output<typeof outputsSchema>;

/**
 * Brings the stack `foundation` up: what is there already stays.
 * @throws EngineFailed, PlacementRefused (the cloud's own code), StackLocked, HostError
 */
export async function upFoundation(
  settings: Settings,
  args: FoundationArgs,
  options: Pick<UpOptions, 'signal' | 'log' | 'onResource'>,
): Promise<FoundationResult> {
  const cli = new PulumiCli(cliEnvironment(settings));
  const directory = path.join(settings.stateDir, FOUNDATION);
  const version = await cliVersion(cli, settings.stateDir);
  ensureWorkDir(directory);
  await initStack(FOUNDATION, { cli, settings, directory }, options);
  const events = new EventReader(options);
  const [{ LocalWorkspace, Stack }, { foundation }] = await Promise.all([
    loadAutomation(),
    import('../../stacks/foundation'),
  ]);
  const workspace = await LocalWorkspace.create({
    workDir: directory,
    program: async () => ({ ...(await foundation(args)) }),
    pulumiCommand: automationCommand({
      cli,
      version,
      signal: options.signal,
      abandon: undefined,
      outputs: () => events.outputs(),
    }),
  });
  const stack = await Stack.select(FOUNDATION, workspace);
  const { outputs } = await stack.up({ onEvent: (event) => events.read(event) }).catch((error: unknown) => {
    if (error instanceof CliFailed)
      throw failureOf({ verb: error.verb, diagnostics: events.diagnostics, ...error.result });
    throw error;
  });
  const parsed = outputsSchema.safeParse(
    Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value])),
  );
  if (parsed.success) return parsed.data;
  throw new EngineFailed('The stack foundation does not have the outputs that it should', {
    remedy: 'Have stacks/foundation.ts return vpcId and vSwitchIds.',
    cause: parsed.error,
  });
}
