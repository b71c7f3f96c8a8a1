/** Runs one stage, or tries it again as often as a variable says. */
import type { Clock } from './clock';
import type { CustomExecutor } from './executor';
import { asError, attempt, Canceled, OutOfTime, SystemFailed } from './failure';
import type { JobLog } from './job-log';
import type { ScriptContext } from './script-context';
import type { ShellName } from './shell';
import { sectionName, stageDescription, stageScript, type StageName } from './stages';

const RETRY_PAUSE_MS = 5_000;
const RENAMED =
  "Starting with version 17.0 the 'build_script' stage will be replaced with 'step_script': https://gitlab.com/groups/gitlab-org/-/epics/6112";
const LIMITS =
  'For more control over job and script timeouts see: https://docs.gitlab.com/ci/runners/configure_runners/#set-script-and-after_script-timeouts';

export class StageRunner {
  constructor(
    private readonly executor: CustomExecutor,
    private readonly log: JobLog,
    private readonly clock: Clock,
    private readonly shell: ShellName,
    /** As the job is now: its status changes while it runs. */
    readonly context: () => ScriptContext,
  ) {}

  /**
   * Nothing at all where the stage has nothing to do. @throws what the signal was aborted with,
   * where it was.
   */
  async run(stage: StageName, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const script = stageScript(stage, this.context(), this.shell);
    if (script === undefined) return;
    try {
      await this.log.section(sectionName(stage), stageDescription(stage), async () => {
        if (stage === 'build_script') this.log.warning(RENAMED);
        await this.executor.run(stage, script, signal);
      });
      signal.throwIfAborted();
    } catch (error) {
      const failure = signal.aborted ? asError(signal.reason) : error;
      this.explainStop(stage, failure);
      throw failure;
    }
  }

  /**
   * `attemptsVariable` tells how often (once, where it is not set); pauses grow where the runner's
   * version has them.
   */
  async repeat(
    stage: StageName,
    attemptsVariable: string,
    signal: AbortSignal,
    before: (attempt: number) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const { variables, version } = this.context();
    const attempts = Number(variables.get(attemptsVariable) || '1');
    if (!(attempts >= 1 && attempts <= 10))
      throw new SystemFailed(`number of attempts out of the range [1, 10] for stage: ${stage}`);
    for (let number = 1; ; number += 1) {
      const failure = await attempt(async () => {
        await before(number);
        await this.run(stage, signal);
      });
      if (!failure) return;
      if (number >= attempts || signal.aborted) throw failure;
      if (!version.backsOffBetweenAttempts) continue;
      this.log.warning('Retrying...');
      await this.clock.sleep(RETRY_PAUSE_MS * 2 ** (number - 1), signal);
      signal.throwIfAborted();
    }
  }

  private explainStop(stage: StageName, error: unknown): void {
    if (error instanceof Canceled) this.log.warning('script canceled externally (UI, API)');
    else if (error instanceof OutOfTime)
      this.log.warning(`${sectionName(stage)} could not run to completion because the timeout was exceeded. ${LIMITS}`);
  }
}
