/** Started by prepare.sh for a job that has to wait for a slot: tells what is wrong with it, or that it waits. */
import { planDependencies } from '../src/composition/plan';
import { readHookContext } from '../src/gitlab/contract';
import { createJobLog } from '../src/gitlab/job-log';
import { runHook } from '../src/hooks/run-hook';
import { aheadOf } from '../src/host/queue';
import { engineQueue, ticketFrom } from '../src/host/slots';
import { reportQueued } from '../src/prepare/plan';

void runHook(async ({ settings, variables, signal }) => {
  const dependencies = planDependencies(settings, createJobLog(process.stdout), signal);
  const ahead = aheadOf(engineQueue(settings), ticketFrom(variables)?.name ?? '');
  await reportQueued(readHookContext(variables), dependencies, { pid: process.ppid, ahead });
}, 'prepare');
