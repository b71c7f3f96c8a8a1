/** run_exec SCRIPT STAGE: runs one stage of the job on its instance. */
import { besideInterpreter, brokenByDocker, containerInterpreter, runsInContainer } from '../src/containers/stage';
import { HostError } from '../src/errors';
import { readHookContext } from '../src/gitlab/contract';
import { createJobLog } from '../src/gitlab/job-log';
import { RecordStore } from '../src/jobs/record-store';
import { noteCost, type StageEnding } from '../src/stages/cost-note';
import { runHook } from '../src/hooks/run-hook';
import { callsHelper, ensureHelperOf, HELPER_INTERPRETER } from '../src/prepare/runner-helper';
import { runStage } from '../src/stages/run-stage';
import { saveScript } from '../src/stages/saving';
import { earlyStageRunner } from '../src/ssh/early-stage';
import { DEFAULT_INTERPRETER } from '../src/ssh/supervisor';

void runHook(async ({ settings, variables, signal }) => {
  const [scriptFile, stage] = process.argv.slice(2);
  if (scriptFile === undefined || stage === undefined) {
    throw new HostError('The run hook needs two arguments, script and stage', {
      remedy: 'Leave them to gitlab-runner: run_exec in config.toml is the bare path of dist/executor/run.js.',
    });
  }
  const context = readHookContext(variables);
  const store = new RecordStore(settings.stateDir);
  const log = createJobLog(process.stdout);
  const beganMs = Date.now();
  const tellCost = (ended: StageEnding): void =>
    noteCost(context, { stage, ended, beganMs }, { store, log, now: Date.now });
  const inContainer = context.response?.image !== undefined && runsInContainer(stage);
  // An old runner doesn't say whether the job needs the helper.
  const onInstance = context.response && callsHelper(stage) ? HELPER_INTERPRETER : DEFAULT_INTERPRETER;
  const { onInterruption } = context.job.choice;
  const exitCode = await runStage(
    context,
    { scriptFile, stage },
    {
      settings,
      store,
      stages: earlyStageRunner,
      interpreter: inContainer ? containerInterpreter() : onInstance,
      save:
        onInterruption !== undefined && runsInContainer(stage)
          ? {
              script: saveScript(onInterruption, context.variables),
              interpreter: inContainer ? besideInterpreter() : DEFAULT_INTERPRETER,
            }
          : undefined,
      ...(inContainer && { brokenBy: brokenByDocker }),
      restore: (connection) => ensureHelperOf(context, settings, { connection, log }),
      loadLookup: async () => (await import('../src/stages/instance-lookup')).instanceLookup(settings),
      log,
      output: process.stdout,
      now: Date.now,
      signal,
    },
  ).catch((error: unknown) => {
    tellCost('cut off');
    throw error;
  });
  tellCost(signal.aborted ? 'cut off' : exitCode === 0 ? 'ok' : 'failed');
  return exitCode;
});
