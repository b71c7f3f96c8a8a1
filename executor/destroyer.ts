/**
 * Started by cleanup: destroys the stacks named in its arguments, or (detached) all that this
 * host's records mark for destruction.
 */
import { destroyerDependencies } from '../src/composition/teardown';
import { destroyNow, destroyPending } from '../src/teardown/destroyer';
import { runHook } from '../src/hooks/run-hook';
import { destroyerStarted } from '../src/teardown/spawn-destroyer';
import { readSettings } from '../src/settings/settings';

void runHook(async ({ settings, variables }) => {
  const log = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`);
  destroyerStarted(settings);
  const dependencies = {
    ...destroyerDependencies(settings, log),
    anew: () => destroyerDependencies(readSettings(variables), log),
  };
  const stackNames = process.argv.slice(2);
  if (stackNames.length > 0) await destroyNow(stackNames, dependencies);
  else await destroyPending(dependencies);
});
