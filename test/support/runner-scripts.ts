import { stageScript, type StageName } from '../../sandbox/runner/driver/stages';
import { jobVariables, type Directories } from '../../sandbox/runner/driver/variables';
import type { ShellName } from '../../sandbox/runner/driver/shell';
import type { ScriptContext } from '../../sandbox/runner/driver/script-context';
import type { JobPayload } from '../../sandbox/runner/payload';
import { runnerVersion, type RunnerVersionName } from '../../sandbox/runner/versions';

const IDENTITY = { name: 'recorder', shortToken: 'recorded0', systemId: 's_0123456789ab' };
const SLOT = { concurrentId: 0, concurrentProjectId: 0 };

/** What the stand-in runner writes a job's scripts from. */
function scriptContext(
  payload: JobPayload,
  directories: Directories,
  version: RunnerVersionName = '19.3',
): ScriptContext {
  const about = { payload, version: runnerVersion(version), directories };
  return {
    ...about,
    hostname: 'test',
    variables: jobVariables({ ...about, identity: IDENTITY, slot: SLOT, status: 'running' as const }),
  };
}

/**
 * A stage's script as the runner hands it to the run hook; undefined where it has nothing to do.
 */
export function standInScript(
  stage: StageName,
  payload: JobPayload,
  directories: Directories,
  { version = '19.3', shell = 'bash' }: { version?: RunnerVersionName; shell?: ShellName } = {},
): string | undefined {
  return stageScript(stage, scriptContext(payload, directories, version), shell);
}
