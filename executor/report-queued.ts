/** Started by prepare.sh for a job that has to wait for a slot: tells what is wrong with it, or that it waits. */
import { readHookContext } from '../src/gitlab/contract';
import { createJobLog } from '../src/gitlab/job-log';
import { aheadOf } from '../src/host/queue';
import { RecordStore } from '../src/jobs/record-store';
import { budgetCheck } from '../src/billing/budget-check';
import { runHook } from '../src/hooks/run-hook';
import { reportQueued } from '../src/prepare/plan';
import { ticketFrom, engineQueue } from '../src/host/slots';
import { readProfiles } from '../src/settings/profiles';

void runHook(async ({ settings, variables, signal }) => {
  const store = new RecordStore(settings.stateDir);
  const dependencies = {
    settings,
    profiles: readProfiles(settings.profilesFile),
    store,
    log: createJobLog(process.stdout),
    now: Date.now,
    signal,
    checkBudget: budgetCheck(settings, store, Date.now),
  };
  const ahead = aheadOf(engineQueue(settings), ticketFrom(variables)?.name ?? '');
  await reportQueued(readHookContext(variables), dependencies, { pid: process.ppid, ahead });
}, 'prepare');
