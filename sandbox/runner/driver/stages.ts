/**
 * The stages of a job: their names, what the log says of them, and the script of each (or that
 * there is nothing to do).
 */
import { archiveCache, downloadArtifacts, restoreCache, uploadArtifacts } from './cache-and-artifacts';
import { cleanUp, clearWorktree, getSources, prepareScript } from './get-sources';
import { ShellWriter, type ShellName } from './shell';
import { begin, beginInProject, fileVariables, isOn, type ScriptContext } from './script-context';

export type StageName =
  | 'prepare_script'
  | 'get_sources'
  | 'clear_worktree'
  | 'restore_cache'
  | 'download_artifacts'
  | 'build_script'
  | `step_${string}`
  | 'after_script'
  | 'archive_cache'
  | 'archive_cache_on_failure'
  | 'upload_artifacts_on_success'
  | 'upload_artifacts_on_failure'
  | 'cleanup_file_variables';

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  prepare_script: 'Preparing environment',
  get_sources: 'Getting source from Git repository',
  clear_worktree: 'Deleting all tracked and untracked files due to source fetch failure',
  restore_cache: 'Restoring cache',
  download_artifacts: 'Downloading artifacts',
  after_script: 'Running after_script',
  archive_cache: 'Saving cache for successful job',
  archive_cache_on_failure: 'Saving cache for failed job',
  upload_artifacts_on_success: 'Uploading artifacts for successful job',
  upload_artifacts_on_failure: 'Uploading artifacts for failed job',
  cleanup_file_variables: 'Cleaning up project directory and file based variables',
};

/** The log speaks of step_script where the hook is told build_script. */
export function sectionName(stage: StageName): string {
  return stage === 'build_script' ? 'step_script' : stage;
}

export function stageDescription(stage: StageName): string {
  return DESCRIPTIONS[stage] ?? `Executing "${sectionName(stage)}" stage of the job script`;
}

/**
 * Steps of the job that are not its after_script, as stages: `script` is build_script, any other
 * step_NAME.
 */
export function userStages(context: ScriptContext): StageName[] {
  return context.payload.steps
    .filter((step) => step.name !== 'after_script')
    .map((step) => (step.name === 'script' ? 'build_script' : (`step_${step.name}` as const)));
}

function userScript(context: ScriptContext, name: string): ShellWriter | undefined {
  const step = context.payload.steps.find((one) => one.name === name);
  if (!step || step.script.length === 0) return undefined;
  const writer = beginInProject(context);
  if (name === 'after_script') writer.notice('Running after script...');
  return writer.userCommands(step.script);
}

function writerFor(stage: StageName, context: ScriptContext): ShellWriter | undefined {
  switch (stage) {
    case 'prepare_script':
      return prepareScript(context, new ShellWriter());
    case 'get_sources':
      return getSources(context);
    case 'clear_worktree':
      return clearWorktree(context, new ShellWriter());
    case 'restore_cache':
      return restoreCache(context);
    case 'download_artifacts':
      return downloadArtifacts(context);
    case 'archive_cache':
      return archiveCache(context, true);
    case 'archive_cache_on_failure':
      return archiveCache(context, false);
    case 'upload_artifacts_on_success':
      return uploadArtifacts(context, true);
    case 'upload_artifacts_on_failure':
      return uploadArtifacts(context, false);
    case 'cleanup_file_variables': {
      const files = fileVariables(context);
      if (files.length === 0 && !context.version.alwaysCleansUp) return undefined;
      return cleanUp(context, begin(context, { writeFiles: false }), files);
    }
    case 'build_script':
      return userScript(context, 'script');
    case 'after_script':
      return userScript(context, 'after_script');
    default:
      return userScript(context, stage.slice('step_'.length));
  }
}

/** The stage's script, or undefined where it has nothing to do and is skipped. */
export function stageScript(stage: StageName, context: ScriptContext, shell: ShellName): string | undefined {
  return writerFor(stage, context)?.script(shell, isOn(context, 'CI_DEBUG_TRACE'));
}
