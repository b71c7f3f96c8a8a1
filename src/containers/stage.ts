import { quote, quoteAll } from '../ssh/quote';
import type { SshConnection } from '../ssh/types';
import { Docker } from './docker';
import { BUILD_CONTAINER } from './names';

/**
 * The user's own stages, which run in the job's container; all others are the runner's and run on
 * the instance, where its helper is.
 */
export function runsInContainer(stage: string): boolean {
  return /^(build_script|after_script|step_.+)$/.test(stage);
}

/**
 * What the container runs, through the image's entry point: a shell that reads a stage's script
 * from standard input, as gitlab-runner's docker executor has it. Another shell waits for it, so
 * that a signal reaches the script's: the first process of a container gets none that it doesn't
 * ask for.
 */
export const SHELL = ['sh', '-c', 'if command -v bash >/dev/null 2>&1; then bash; else sh; fi; exit $?'];

/** Runs what standard input says in the job's container, from its start to its end. */
export const START = ['start', '--attach', '--interactive', BUILD_CONTAINER];

/**
 * How a user's stage is run in the job's container: a command line for sh, followed by the script's
 * path. The script comes over standard input: its folder is not mounted, and its commands read from
 * /dev/null by themselves.
 */
export function containerInterpreter(): string {
  return `sh -c ${quote(WRAPPER)}`;
}

/** Why a stage in the container has failed, where that is docker's doing and not the script's. */
export async function brokenByDocker(connection: SshConnection, status: number): Promise<string | undefined> {
  const failure = await new Docker(connection).failureOf(BUILD_CONTAINER, status);
  return failure && `docker: ${failure.reason}`;
}

/**
 * How a script is run beside the stage that is under way in the container; it ends with the
 * container.
 */
export function besideInterpreter(): string {
  return `sh -c ${quote(`exec docker exec --interactive ${BUILD_CONTAINER} ${quoteAll(SHELL)} <"$0"`)}`;
}

/**
 * A signal to the docker client doesn't reach the process in the container, so TERM is passed on
 * there (kill -1: to all but the container's first process, which gets it too where the entry point
 * made the script's shell the first), and what is left after 5 seconds is killed: also a container
 * that starts only then. The client has a session of its own: it has to live until the last output.
 */
const WRAPPER = `
told=
trap told=yes TERM
end() {
  trap "" TERM
  docker exec --user 0 ${BUILD_CONTAINER} sh -c "kill -TERM -1; kill -TERM 1" </dev/null >/dev/null 2>&1
  tenths=0
  while kill -0 $client 2>/dev/null && [ $tenths -lt 50 ]; do sleep 0.1; tenths=$((tenths + 1)); done
  while kill -0 $client 2>/dev/null; do docker kill ${BUILD_CONTAINER} >/dev/null 2>&1; sleep 0.1; done
}
[ -z "$told" ] || exit 143
$(command -v setsid) docker ${START.join(' ')} <"$0" &
client=$!
trap end TERM
[ -z "$told" ] || end
wait $client
status=$?
while kill -0 $client 2>/dev/null; do wait $client; status=$?; done
exit $status
`;
