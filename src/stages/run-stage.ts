import { writeFileSync } from 'node:fs';
import { formatDuration } from '../duration';
import { upProblem } from '../engine/up-marker';
import { HostError } from '../errors';
import type { HookContext } from '../gitlab/contract';
import { jobIdentity } from '../jobs/identity';
import type { RecordStore } from '../jobs/record-store';
import type { Running } from '../jobs/transitions';
import { InstanceLost } from './loss';
import { Stage } from './stage';
import type { RunDependencies, StageCall } from './types';

/** What SIGTERM leaves of a script, as a shell tells it. */
const CANCELLED_EXIT_CODE = 143;

/**
 * Runs one stage of the job on its instance.
 * @returns the hook's exit code: 0, or the contract's code for a failure of the job's own; the
 * script's code is then in BUILD_EXIT_CODE_FILE.
 * @throws InstanceLost, StageBroken, HostError: failures of the machine, the cloud or this host.
 */
export async function runStage({ job }: HookContext, call: StageCall, dependencies: RunDependencies): Promise<number> {
  const record = runningRecord(job, dependencies.store);
  await sayIfUnfinished(record, dependencies);
  const outcome = await new Stage(record, call, dependencies).run();
  const exitCode = outcome.kind === 'cancelled' ? CANCELLED_EXIT_CODE : outcome.exitCode;
  if (exitCode === 0) return 0;
  if (outcome.kind === 'signaled' && outcome.signal === 'SIGKILL') {
    dependencies.log.warn('The script was killed (SIGKILL)');
  }
  if (record.keepMs && /^(build|step)_script$/.test(call.stage)) {
    const { identity, keepMs } = record;
    dependencies.log.line(
      `The instance stays for ${formatDuration(keepMs)} after the job: \`gitlab-spot ssh ${identity.jobId}\` on the runner host opens a shell on it`,
    );
  }
  // Not truncated between stages: whoever exits with BUILD_FAILURE_EXIT_CODE has to write his own.
  if (job.files.buildExitCode !== undefined) writeFileSync(job.files.buildExitCode, `${exitCode}\n`);
  return job.exitCodes.buildFailure;
}

/**
 * Prepare may have left an `up` that failed later (docs/adr/0021). No script starts on an instance
 * whose stack is incomplete, but a script that has run is not thrown away for it. If the instance
 * itself is gone, the stage finds out why.
 */
async function sayIfUnfinished(
  { identity, instance, stages }: Running,
  { store, log, loadLookup }: RunDependencies,
): Promise<void> {
  const problem = upProblem(store.files(identity.stackName).engine);
  if (problem === undefined) return;
  const sentence = `The job's stack could not be finished after its instance was ready: ${problem}`;
  if (stages.some(({ stage }) => /^(build_script|step_)/.test(stage))) return log.warn(sentence);
  const lookup = await loadLookup();
  const isGoing = await lookup.describeInstance(instance.instanceId).then(
    (seen) => seen?.status !== 'Running' || seen.recycling,
    () => false,
  );
  if (!isGoing) throw new HostError(sentence, { remedy: 'Run the job again.', retryable: true });
}

function runningRecord(job: HookContext['job'], store: RecordStore): Running {
  if (job.attempt === undefined) {
    throw new HostError('The config hook did not run before this stage: the attempt is unknown', {
      remedy: 'Set config_exec to dist/executor/config.js in the runner’s config.toml.',
    });
  }
  const { stackName } = jobIdentity(job.serverUrl, job.jobId, job.attempt);
  const record = store.readOf(stackName, job.project.id);
  if (record?.phase === 'running') return record;
  if (record?.phase === 'lost') throw new InstanceLost(record.loss.sentence);
  throw new HostError(
    record === undefined
      ? `There is no record of this job in ${store.files(stackName).directory}: prepare did not run, or not with this state folder`
      : `The job's instance is not there: its record says ${record.phase}`,
    { remedy: 'Use the same GITLAB_SPOT_STATE_DIR for all four hooks.' },
  );
}
