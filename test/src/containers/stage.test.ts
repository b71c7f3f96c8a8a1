import { containerInterpreter } from '../../../src/containers/stage';
import { SLEEPER, toldBeforeEachCommand } from '../../support/each-command';

/** The wrapper's own text, which stands between a stage and the docker client. */
const wrapper = `sh() { text=$2; }\n${containerInterpreter()}\nunset -f sh\nsleep() { :; }\neval "$text"`;

const client = `echo $$ >"$FOLDER/client"; ${SLEEPER}`;
const endClient = 'kill -KILL $(cat "$FOLDER/client") && rm "$FOLDER/client"';

test.each([
  ['in a container that runs', `exec) until [ -s "$FOLDER/client" ]; do :; done; ${endClient} ;;`],
  ['in a container that starts late', `exec) exit 1 ;; kill) ${endClient} ;;`],
])('a stage is ended by a signal at any of its commands, %s', (_, container) => {
  const docker = `case $1 in start) ${client} ;; ${container} esac`;
  const { times, events } = toldBeforeEachCommand(wrapper, { docker });
  expect(events).toEqual([]);
  expect(times).toBeGreaterThan(6);
});
