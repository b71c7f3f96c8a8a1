import { quote } from '../ssh/quote';
import { BUILD_CONTAINER } from './names';

/** The user's own stages; all others are the runner's and run on the instance, where its helper is. */
export function runsInContainer(stage: string): boolean {
  return /^(build_script|after_script|step_.+)$/.test(stage);
}

/**
 * How a user's stage is run in the job's container: a command line for sh, followed by the script's path. The script comes over standard
 * input, as gitlab-runner's own docker executor gives it: its folder is not mounted, and its commands read from /dev/null by themselves.
 */
export function containerInterpreter(user: string | undefined): string {
  return `sh -c ${quote(wrapper(user === undefined ? '' : `--user ${quote(user)}`))}`;
}

/**
 * A signal to the docker client doesn't reach the process in the container, so TERM is passed on there (kill -1: to all but the container's
 * first process), and KILL to what is left after 5 seconds. The client has a session of its own: it has to live until the last output.
 */
const wrapper = (user: string): string => `
inside() { docker exec --user 0 ${BUILD_CONTAINER} sh -c "kill -$1 -1" </dev/null >/dev/null 2>&1; }
end() {
  trap "" TERM
  inside TERM
  tenths=0
  while kill -0 $client 2>/dev/null && [ $tenths -lt 50 ]; do sleep 0.1; tenths=$((tenths + 1)); done
  inside KILL
}
$(command -v setsid) docker exec -i ${user} ${BUILD_CONTAINER} sh -c "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi" <"$0" &
client=$!
trap end TERM
wait $client
status=$?
while kill -0 $client 2>/dev/null; do wait $client; status=$?; done
exit $status
`;
