import type { JobResponse, When } from './types';

type Saves = Pick<JobResponse, 'steps' | 'savesArtifacts' | 'savesCache' | 'hasFileVariables'>;

/** What has happened so far. */
export interface StageEnd {
  readonly stage: string;
  /** This stage, or an earlier one of the script's, ended with a failure. */
  readonly failed: boolean;
}

/**
 * From this version on every job ends with cleanup_file_variables (seen: 19.3; 17.4 only where
 * there are file variables).
 */
const ALWAYS_CLEANS_FROM = 19;

/**
 * Whether the runner will call the run hook no more for this job, as far as the job itself tells:
 * stages with nothing to do are skipped (docs/custom-executor.md). A cancelled or timed out job may
 * end earlier.
 */
export function isLastStage({ stage, failed }: StageEnd, job: Saves, runnerVersion: string): boolean {
  if (Number.parseInt(runnerVersion, 10) >= ALWAYS_CLEANS_FROM || job.hasFileVariables)
    return stage === 'cleanup_file_variables';
  const saves = (when: readonly When[]) =>
    when.some((one) => one === 'always' || one === (failed ? 'on_failure' : 'on_success'));
  const script = stage === 'build_script' || stage.startsWith('step_');
  if (!script && failed && !/^(after_script|archive_cache|upload_artifacts)/.test(stage)) return true;
  if (saves(job.savesArtifacts)) return stage.startsWith('upload_artifacts');
  if (saves(job.savesCache)) return stage.startsWith('archive_cache');
  if (job.steps.some(({ name }) => name === 'after_script')) return stage === 'after_script';
  const steps = job.steps.map(({ name }) => (name === 'script' ? 'build_script' : `step_${name}`));
  return script && (failed || stage === steps.at(-1) || (stage === 'step_script' && steps.at(-1) === 'build_script'));
}
