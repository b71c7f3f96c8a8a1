/** prepare_exec: gives the job its instance. */
import { readHookContext } from '../src/gitlab/contract';
import { createJobLog } from '../src/gitlab/job-log';
import { prepareDependencies } from '../src/lifecycle/dependencies';
import { runHook } from '../src/lifecycle/hook';
import { prepare } from '../src/lifecycle/prepare';
import { readSettings } from '../src/settings/settings';

void runHook(async ({ variables, signal, countFailuresIn }) => {
  const settings = readSettings(variables);
  countFailuresIn(settings.stateDir);
  const log = createJobLog(process.stdout);
  await prepare(readHookContext(variables), prepareDependencies(settings, log, signal));
});
