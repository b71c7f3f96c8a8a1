import type { PulumiCommand } from '@pulumi/pulumi/automation';
import type { CliCall, CliResult, PulumiCli } from './cli';

/** The CLI ended with a failure. Holds all it printed; diagnostics.ts says what it means. */
export class CliFailed extends Error {
  constructor(
    readonly verb: string,
    readonly result: CliResult,
  ) {
    super(`pulumi ${verb} failed with exit ${result.exitCode}`);
  }
}

export interface CommandOptions {
  readonly cli: PulumiCli;
  readonly version: string;
  readonly signal: CliCall['signal'];
  readonly abandon: CliCall['abandon'];
  /** The stack's outputs as the engine's events told them; undefined: they did not. */
  readonly outputs: () => Promise<Readonly<Record<string, unknown>> | undefined>;
}

/**
 * Takes the place of the Automation API's own way to the CLI. What is known already is answered
 * without another start of it (0.1 to 0.24 s and 100 MB each): the selection of a stack that every
 * call names anyway, the outputs, which the events told, and the history.
 */
export function automationCommand({ cli, version, signal, abandon, outputs }: CommandOptions): PulumiCommand {
  async function known(args: readonly string[]): Promise<string | undefined> {
    if (args[0] !== 'stack') return undefined;
    if (args[1] === 'select') return '';
    if (args[1] === 'history') return '[]';
    if (args[1] !== 'output') return undefined;
    const told = await outputs();
    return told && JSON.stringify(told);
  }

  const command = {
    command: 'pulumi',
    // The SDK only ever prints it, to parse it again.
    version: { toString: () => version },
    async run(args: string[], cwd: string) {
      const answer = await known(args);
      if (answer !== undefined) return { stdout: answer, stderr: '', code: 0 };
      const result = await cli.run({ args, directory: cwd, signal, abandon });
      if (result.exitCode !== 0) throw new CliFailed(args[0] ?? '', result);
      return { stdout: result.stdout, stderr: result.stderr, code: 0 };
    },
  };
  // The SDK's class has a private constructor, but LocalWorkspace only ever uses these three
  // members.
  return command as unknown as PulumiCommand;
}
