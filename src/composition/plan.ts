import { budgetCheck } from '../billing/budget-check';
import type { JobLog } from '../gitlab/job-log';
import { RecordStore } from '../jobs/record-store';
import type { PlanDependencies } from '../prepare/plan';
import { usableProfiles } from '../settings/good-profiles';
import type { Settings } from '../settings/types';
import { noteArrival } from '../spares/arrivals';
import { wantsForecast } from '../spares/decide';

/**
 * The real outside world of what prepare does before it asks the cloud. Loads neither Pulumi nor a
 * cloud SDK.
 */
export function planDependencies(settings: Settings, log: JobLog, signal: AbortSignal): PlanDependencies {
  const store = new RecordStore(settings.stateDir);
  const { page, problem } = usableProfiles(settings.profilesFile, settings.stateDir);
  return {
    settings,
    profiles: page,
    profilesProblem: problem,
    store,
    log,
    now: Date.now,
    signal,
    noteArrival: wantsForecast(page) ? (arrival) => noteArrival(settings, arrival) : undefined,
    checkBudget: budgetCheck(settings, store, Date.now),
  };
}
