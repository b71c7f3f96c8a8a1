/** Started by cleanup, detached: destroys what the records of this host say is to go. */
import { destroyerDependencies } from '../src/lifecycle/dependencies';
import { destroyPending } from '../src/lifecycle/destroyer';
import { runHook } from '../src/lifecycle/hook';
import { readSettings } from '../src/settings/settings';

void runHook(async ({ variables }) => {
  const log = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`);
  await destroyPending(destroyerDependencies(readSettings(variables), log));
});
