/**
 * prepare.js [SIGNAL]: gives the job its instance. prepare_exec (prepare.sh) becomes this once
 * there is a place to create one; with the signal that it got while it waited, to end as this one
 * does.
 */
import path from 'node:path';
import { readHookContext } from '../src/gitlab/contract';
import { createJobLog } from '../src/gitlab/job-log';
import { prepareDependencies } from '../src/composition/prepare';
import { runHook } from '../src/hooks/run-hook';
import { ticketFrom } from '../src/host/slots';
import { keepAfter } from '../src/spares/spawn-keeper';
import { prepare } from '../src/prepare/prepare';
import { EXECUTOR } from './programs';

void runHook(async ({ settings, variables, signal }) => {
  const log = createJobLog(process.stdout);
  const told = (['SIGTERM', 'SIGINT', 'SIGHUP'] as const).find((name) => process.argv[2] === name);
  if (told) process.emit(told, told);
  const upProgram = { program: path.join(EXECUTOR, 'up.js'), variables };
  const dependencies = {
    ...prepareDependencies(settings, log, signal, upProgram),
    ticket: ticketFrom(variables),
  };
  const profile = await prepare(readHookContext(variables), dependencies);
  keepAfter(profile, dependencies.profiles, settings, { folder: EXECUTOR, variables, log });
});
