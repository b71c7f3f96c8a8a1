import { createHash } from 'node:crypto';
import { ImageUnfit, NeverBegan } from './errors';
import { quote, quoteAll } from './quote';
import supervisor from './supervisor.sh';
import type { SshConnection } from './types';

const FOLDER = '$HOME/.gitlab-spot';
/** Whoever has put a gitlab-runner into `bin` (src/prepare/runner-helper.ts) leaves this file beside it. */
const HELPER_THERE = `{ [ ! -e "${FOLDER}/bin.installed" ] || [ -x "${FOLDER}/bin/gitlab-runner" ]; }`;
/** Lies beside a supervisor that was put there again until the rest of ours is there too. */
const INCOMPLETE = `${FOLDER}/incomplete`;
/** No word that a job's `pkill -f` names. */
const NAME = `gs-${createHash('sha256').update(supervisor).digest('hex').slice(0, 12)}`;

/** Exit status of a command whose supervisor is not on the instance. */
export const SUPERVISOR_MISSING = 79;

/** bash where there is one, as the runner's scripts want it. */
export const DEFAULT_INTERPRETER = '$(command -v bash || command -v sh)';

export interface RunArguments {
  readonly runId: string;
  readonly nonce: string;
  readonly offset: number;
  readonly scriptBytes: number;
  readonly boot: string | undefined;
  readonly interpreter: string;
  readonly metadataUrl: string;
  readonly beside?: string;
}

const INSTALL_LIMIT_MS = 60_000;

/** What the frames in a stage's output are known by. */
export function nonceOf(runId: string): string {
  return createHash('sha256').update(runId).digest('hex').slice(0, 32);
}

/** Starts or follows a stage; reads the script, and later the word `done`, from standard input. */
export function runCommand(run: RunArguments): string {
  const words = [run.runId, run.nonce, String(run.offset), String(run.scriptBytes), run.boot ?? '-'];
  return command(
    ['run', ...words, run.interpreter, run.metadataUrl, run.beside ?? ''],
    `[ -s "${FOLDER}/environment" ]`,
    `[ ! -e "${INCOMPLETE}" ]`,
    HELPER_THERE,
  );
}

/** Ends a stage's session: TERM, and KILL to what is left after the grace. */
export function cancelCommand(runId: string, nonce: string, graceSeconds: number): string {
  return command(['cancel', runId, nonce, String(graceSeconds)]);
}

/**
 * All that the supervisor's own shells have of a login: what else its start-up files set would
 * change what they do.
 */
const CLEAN = 'env -i HOME="$HOME" PATH="$PATH" SHELL="${SHELL-}" USER="${USER-}" LOGNAME="${LOGNAME-}"';

function command(words: readonly string[], ...needs: readonly string[]): string {
  const there = [`[ -r "$f" ]`, ...needs].join(' && ');
  return `f="${FOLDER}/${NAME}"; ${there} || exit ${SUPERVISOR_MISSING}; exec ${CLEAN} sh "$f" ${quoteAll(words)}`;
}

interface InstallOptions {
  readonly timeoutMs?: number;
  /**
   * A job has removed it, and what else of ours there was: no stage begins, over whichever
   * connection, until `completeInstall` has said that all is there.
   */
  readonly again?: boolean;
}

/**
 * Puts the supervisor onto the instance and captures the environment of a login, so that no stage
 * has to. Idempotent. Throws ImageUnfit where the home can't be written, or the login shell hangs.
 */
export async function installSupervisor(
  connection: SshConnection,
  { timeoutMs = INSTALL_LIMIT_MS, again = false }: InstallOptions = {},
): Promise<void> {
  const { stderr, exitCode } = await connection
    .exec(installCommand(again), { stdin: supervisor, timeoutMs })
    .catch((error: unknown) => {
      if (!(error instanceof NeverBegan)) throw error;
      throw new ImageUnfit(`the instance's login shell has run no command within ${timeoutMs / 1000} s`, {
        remedy: 'Check the image: a start-up file (.bashrc, .profile) that waits for something.',
        cause: error,
      });
    });
  if (exitCode === 0) return;
  const reason = stderr.trim().split('\n').pop() ?? '';
  throw new ImageUnfit(
    `the supervisor can't be put into ~/.gitlab-spot on the instance: ${reason || `exit status ${exitCode}`}`,
    { remedy: 'The home of GITLAB_SPOT_SSH_USER must be writable, and have room.' },
  );
}

/** Stages begin again: the rest of ours is there too. */
export async function completeInstall(connection: SshConnection): Promise<void> {
  await connection.exec(`rm -f "${INCOMPLETE}"`);
}

function installCommand(again: boolean): string {
  const script = [
    'set -e',
    'umask 077',
    `f="${FOLDER}/${NAME}"`,
    `mkdir -p "${FOLDER}"`,
    ...(again ? [`: >"${INCOMPLETE}"`] : []),
    'cat >"$f.$$"',
    // A connection that breaks looks like the end of the input.
    `[ "$(($(wc -c <"$f.$$")))" -eq ${Buffer.byteLength(supervisor)} ]`,
    'mv "$f.$$" "$f"',
  ].join('; ');
  // The login's own umask is part of what is captured: the folder is made under another one, in a
  // shell of its own.
  return `sh -c ${quote(script)} && exec sh "${FOLDER}/${NAME}" environment`;
}
