import { ledgerOf } from '../billing/budget-check';
import { recordCost } from '../billing/record-cost';
import { createCloud } from '../cloud/client';
import { createEngine, startUp, type UpProgram } from '../engine';
import type { JobLog } from '../gitlab/job-log';
import { createPlacement } from '../placement';
import type { PrepareDependencies } from '../prepare/prepare';
import { sharedLookup } from '../prepare/shared-lookup';
import type { Settings } from '../settings/types';
import { waitForSsh } from '../ssh';
import { claimDependencies } from './claim';
import { planDependencies } from './plan';

/**
 * The real outside world of prepare.
 * @param upProgram what brings stacks up in a process of its own; left out: this process does
 */
export function prepareDependencies(
  settings: Settings,
  log: JobLog,
  signal: AbortSignal,
  upProgram?: UpProgram,
): PrepareDependencies {
  const cloud = createCloud(settings);
  const plan = planDependencies(settings, log, signal);
  return {
    ...plan,
    ...claimDependencies(settings, log, signal),
    cloud,
    engine: createEngine(settings, cloud),
    ...(upProgram && { upApart: (stackName: string) => startUp(settings, upProgram, stackName) }),
    waitForSsh,
    lookUp: sharedLookup({ cloud, settings, now: plan.now }),
    placement: createPlacement({ cloud, settings, now: plan.now }),
    onGone: (record, goneAt) => recordCost(record, goneAt, { ledger: ledgerOf(settings), cloud }),
  };
}
