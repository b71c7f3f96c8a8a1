/**
 * prepare.js [SIGNAL]: gives the job its instance. prepare_exec (prepare.sh) becomes this once there is a place to create one; with the signal
 * that it got while it waited, to end as this one does.
 */
import { readHookContext } from '../src/gitlab/contract';
import { createJobLog } from '../src/gitlab/job-log';
import { prepareDependencies } from '../src/lifecycle/dependencies';
import { runHook } from '../src/lifecycle/hook';
import { drawnTicket } from '../src/lifecycle/places';
import { prepare } from '../src/lifecycle/prepare';

void runHook(async ({ settings, variables, signal }) => {
  const log = createJobLog(process.stdout);
  const told = (['SIGTERM', 'SIGINT', 'SIGHUP'] as const).find((name) => process.argv[2] === name);
  if (told) process.emit(told, told);
  const dependencies = { ...prepareDependencies(settings, log, signal), ticket: drawnTicket(variables) };
  await prepare(readHookContext(variables), dependencies);
});
