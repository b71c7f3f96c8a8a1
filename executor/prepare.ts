/**
 * prepare.js [SIGNAL]: gives the job its instance. prepare_exec is prepare.sh, which becomes this
 * program when it is first in line for a slot. With SIGNAL, which it got while it waited, this
 * program ends as that signal would end it.
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
