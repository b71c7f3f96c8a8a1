import { SpotError } from '../errors';
import { readExitCodes } from '../gitlab/contract';
import { createJobLog } from '../gitlab/job-log';
import { outcomeOf } from '../outcome';

/** What a hook's body is given. */
export interface HookProcess {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGTERM: the job was cancelled or ran into its limit. */
  readonly signal: AbortSignal;
}

/** The runner told the hook to end. */
export class HookCancelled extends SpotError {
  readonly blame = 'host';
}

/**
 * Runs a hook's body and ends the process with the contract's exit code; a failure is one sentence on stderr, which is the job's log.
 * SIGTERM does not end the process: it aborts the signal, and the body ends when what it started has come to rest.
 */
export async function runHook(body: (hook: HookProcess) => Promise<void>): Promise<never> {
  const { env: variables, stderr } = process;
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(name, () => controller.abort(new HookCancelled(`Cancelled by the runner (${name})`)));
  try {
    await body({ variables, signal: controller.signal });
    process.exit(0);
  } catch (error) {
    const { exitCode, sentence, details } = outcomeOf(error, readExitCodes(variables));
    createJobLog(stderr).error(sentence);
    if (/^(1|true|yes)$/i.test(variables.GITLAB_SPOT_VERBOSE ?? '')) stderr.write(`${details}\n`);
    process.exit(exitCode);
  }
}
