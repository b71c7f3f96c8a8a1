import type { PulumiCli } from './cli';
import { failureOf } from './diagnostics';
import { UpCancelled } from './errors';
import { stackTemplate, type StackSettings } from './stack-template';
import type { UpOptions } from './types';

export interface InitDependencies {
  readonly cli: PulumiCli;
  readonly settings: StackSettings;
  /** The stack's work dir. */
  readonly directory: string;
}

/** A stack of that name that is there already was made by an earlier call. */
export async function initStack(
  stackName: string,
  { cli, settings, directory }: InitDependencies,
  { signal }: Pick<UpOptions, 'signal'>,
): Promise<void> {
  signal.throwIfAborted();
  const template = stackTemplate(settings, cli);
  if (template.copy(stackName, directory)) return;
  const result = await cli.run({ args: ['stack', 'init', stackName, '--no-select'], directory, signal });
  if (result.exitCode === 0) return template.learn(stackName, directory);
  if (/already exists/.test(result.stderr)) return;
  if (signal.aborted) throw new UpCancelled('Cancelled while the stack was being made', { cause: result.stderr });
  throw failureOf({ verb: 'stack init', diagnostics: [], ...result });
}
