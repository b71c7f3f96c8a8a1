import path from 'node:path';
import { causeOf, noteFailure } from './failures';
import { SpotError } from '../errors';
import { readExitCodes } from '../gitlab/contract';
import { createJobLog } from '../gitlab/job-log';
import { outcomeOf } from './outcome';
import { readSettings } from '../settings/settings';
import type { Settings } from '../settings/types';
import { InstanceLost } from '../stages/loss';

/** What a hook's body is given. */
export interface HookProcess {
  readonly settings: Settings;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGTERM: the job was cancelled or ran into its limit. */
  readonly signal: AbortSignal;
}

/** The runner told the hook to end. */
export class HookCancelled extends SpotError {
  readonly blame = 'host';
}

/**
 * Reads the settings, runs a hook's body and ends the process: with the exit code that the body
 * returns (0 if none), or on failure with the contract's exit code and one sentence on stderr,
 * which goes to the job's log.
 * SIGTERM does not end the process. It aborts the signal, and the body returns once everything it
 * started has stopped. The death of the runner is treated the same way; it shows as a write error
 * on stdout or stderr, which without a listener would throw again and again.
 * @param name the hook's name, under which its failures are counted
 */
export async function runHook(
  body: (hook: HookProcess) => Promise<number | void>,
  name = path.basename(process.argv[1] ?? '', '.js'),
): Promise<never> {
  const { env: variables, stderr } = process;
  tellOfAuthorities(variables);
  const controller = new AbortController();
  for (const told of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(told, () => controller.abort(new HookCancelled(`Cancelled by the runner (${told})`)));
  for (const stream of [process.stdout, stderr])
    stream.on('error', () =>
      controller.abort(new HookCancelled('The runner is gone: nobody reads this hook’s output')),
    );
  let settings: Settings | undefined;
  const fail = async (error: unknown): Promise<never> => {
    const { exitCode, message, details } = outcomeOf(error, readExitCodes(variables));
    if (!isTold(error)) createJobLog(stderr).error(message);
    if (settings !== undefined && !controller.signal.aborted && isCounted(error))
      noteFailure(settings.stateDir, { hook: name, cause: causeOf(error) }, Date.now());
    if (/^(1|true|yes)$/i.test(variables.GITLAB_SPOT_VERBOSE ?? '')) stderr.write(`${details}\n`);
    return await end(exitCode);
  };
  // What a listener throws nobody can catch; node's own exit code for it is the contract's for a
  // failure of the job's own.
  process.on('uncaughtException', (error: unknown) => void fail(error));
  // Pulumi's program, whose engine ends before it: its failed calls are nobody's. While it runs,
  // Pulumi itself listens; and a hook that was told to end waits for its engine.
  process.on('unhandledRejection', (error: unknown) => {
    if (!controller.signal.aborted && process.listenerCount('unhandledRejection') === 1) void fail(error);
  });
  try {
    settings = readSettings(variables);
    return await end((await body({ settings, variables, signal: controller.signal })) ?? 0);
  } catch (error) {
    return await fail(error);
  }
}

/**
 * What the hook's first line has kept from node (scripts/build.mjs, executor/prepare.sh) is known from here on: to our own
 * connections, and to the node processes that are started.
 */
function tellOfAuthorities(variables: NodeJS.ProcessEnv): void {
  const { GITLAB_SPOT_LATER_CA_CERTS: kept } = variables;
  if (kept === undefined) return;
  variables.NODE_EXTRA_CA_CERTS = kept;
  delete variables.GITLAB_SPOT_LATER_CA_CERTS;
}

/**
 * Ends the process once all that it wrote has been taken: where the runner reads late,
 * `process.exit` alone cuts the log's end off.
 */
async function end(exitCode: number): Promise<never> {
  await Promise.all([process.stdout, process.stderr].map(taken));
  process.exit(exitCode);
}

function taken(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writableLength === 0) return resolve();
    // Nobody reads any more: nothing is left to wait for.
    stream.once('error', () => resolve());
    stream.write('', () => resolve());
  });
}

/**
 * The log has it already: the stage that lost the instance wrote it there, and every later stage
 * fails for the same reason.
 */
function isTold(error: unknown): boolean {
  return error instanceof InstanceLost && error.code === undefined;
}

/**
 * Failures of the job itself are not counted, and a lost instance only by the stage that noticed
 * it.
 */
function isCounted(error: unknown): boolean {
  return !isTold(error) && !(error instanceof SpotError && error.blame === 'job');
}
