import { costLine } from '../billing/cost';
import type { HookContext } from '../gitlab/contract';
import type { JobLog } from '../gitlab/job-log';
import { isLastStage } from '../gitlab/last-stage';
import { jobIdentity } from '../jobs/identity';
import type { RecordStore } from '../jobs/record-store';
import { billedFrom, type Lost, type Running } from '../jobs/transitions';
import { useOf, useText } from '../jobs/use';

export interface CostNoteDependencies {
  readonly store: RecordStore;
  readonly log: JobLog;
  readonly now: () => number;
}

/** `cut off`: cancelled, timed out, or its instance was lost. */
export type StageEnding = 'ok' | 'failed' | 'cut off';

export interface EndedStage {
  readonly stage: string;
  readonly ended: StageEnding;
  readonly beganMs: number;
}

/**
 * At the end of the last stage that this job will run, what its instance cost until now, and what
 * the job used of it, a line each. A stage that was cut off may be the last, so it tells as well; after a loss only the
 * stage that noticed it does.
 */
export function noteCost(
  { job, response }: HookContext,
  { stage, ended, beganMs }: EndedStage,
  { store, log, now }: CostNoteDependencies,
): void {
  if (job.attempt === undefined) return;
  const { record } = store.find(jobIdentity(job.serverUrl, job.jobId, job.attempt).stackName);
  if (record?.phase === 'lost') {
    if (Date.parse(record.heartbeatAt) >= beganMs) tell(record, Date.parse(record.loss.at), log);
    return;
  }
  if (record?.phase !== 'running') return;
  const scriptFailed = record.stages.some((one) => /^(build_script|step_)/.test(one.stage) && one.exitCode !== 0);
  const failed = ended !== 'ok' || scriptFailed || record.cutShort !== undefined;
  const last =
    response === undefined ? stage === 'build_script' : isLastStage({ stage, failed }, response, job.runner.version);
  if (last || (ended === 'cut off' && !record.cutShort)) tell(record, now(), log);
}

function tell(record: Running | Lost, untilMs: number, log: JobLog): void {
  const { instance } = record;
  log.line(
    `Cost: ${costLine({ ...instance, createdAt: billedFrom(record) ?? instance.createdAt }, new Date(untilMs))}`,
  );
  const use = useOf(record);
  if (use) log.line(`Used, as the instance says: ${useText(use)}`);
}
