/**
 * Started by prepare.sh for a job that has to wait for a slot: gives it a spare machine, or reports
 * what is wrong with the job, or that it waits.
 */
import { claimDependencies } from '../src/composition/claim';
import { planDependencies } from '../src/composition/plan';
import { readHookContext } from '../src/gitlab/contract';
import { createJobLog } from '../src/gitlab/job-log';
import { runHook } from '../src/hooks/run-hook';
import { aheadOf } from '../src/host/queue';
import { engineQueue, ticketFrom } from '../src/host/slots';
import { keepAfter } from '../src/spares/spawn-keeper';
import { reportQueued } from '../src/prepare/report-queued';
import { EXECUTOR } from './programs';

void runHook(async ({ settings, variables, signal }) => {
  const log = createJobLog(process.stdout);
  const dependencies = { ...planDependencies(settings, log, signal), ...claimDependencies(settings, log, signal) };
  const ticket = ticketFrom(variables);
  const ahead = aheadOf(engineQueue(settings), ticket?.name ?? '');
  const profile = await reportQueued(readHookContext(variables), dependencies, { pid: process.ppid, ahead, ticket });
  if (profile) keepAfter(profile, dependencies.profiles, settings, { folder: EXECUTOR, variables, log });
}, 'prepare');
