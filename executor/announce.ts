/** Started by prepare.sh for a job that has to wait for a place: tells what is wrong with it, or that it waits. */
import { readHookContext } from '../src/gitlab/contract';
import { createJobLog } from '../src/gitlab/job-log';
import { aheadOf } from '../src/host/queue';
import { RecordStore } from '../src/job/record-store';
import { budgetCheck } from '../src/lifecycle/budget';
import { runHook } from '../src/lifecycle/hook';
import { announce } from '../src/lifecycle/intent';
import { drawnTicket, engineQueue } from '../src/lifecycle/places';
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
  const ahead = aheadOf(engineQueue(settings), drawnTicket(variables)?.name ?? '');
  await announce(readHookContext(variables), dependencies, { pid: process.ppid, ahead });
}, 'prepare');
