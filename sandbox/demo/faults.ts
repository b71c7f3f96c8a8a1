/**
 * `npm run demo -- --fault NAME`: what goes wrong in a cloud, done to a pipeline of one job, and
 * what came of it.
 */
import { readFile } from 'node:fs/promises';
import type { CloudControl, InstanceView } from '../cloud/types';
import { processesWith } from '../processes';
import type { JobResult, PipelineResult, RunnerEvent } from '../runner/types';
import { logText } from './log-text';

export const FAULTS = ['reclaim', 'no-stock', 'price', 'quota', 'cut', 'kill'] as const;
export type FaultName = (typeof FAULTS)[number];

/** What a fault may reach of the sandbox. */
export interface FaultPlace {
  readonly control: CloudControl;
  readonly stateDir: string;
  /** Lines of the demo's own. */
  readonly say: (text: string) => void;
}

export interface Fault {
  readonly title: string;
  readonly pipeline: string;
  /** Before the pipeline starts. */
  readonly prepare?: (place: FaultPlace) => Promise<void>;
  /** Done once, when the job's log says that. */
  readonly when?: { readonly says: RegExp; readonly act: (place: FaultPlace) => Promise<void> };
  /** What was done and what came of it. */
  readonly verdict: (job: JobResult) => Verdict;
}

export interface Verdict {
  /** As it should be. */
  readonly held: boolean;
  readonly lines: readonly string[];
}

const SCRIPT = /section_start:\d+:(step|build)_script/;
/**
 * Longer than the 35 s below which the script would get 5 s only; the cloud itself gives 5 minutes.
 */
const NOTICE_MS = 40_000;
const CUT_MS = 4_000;
const ZONE_COUNT = 2;
/** Of the default profile, as long as nothing happens. */
const CHEAPEST = 'ecs.u1-c1m2.xlarge';

const job = (name: string, lines: readonly string[], more: readonly string[] = []): string =>
  [`${name}:`, ...more.map((line) => `  ${line}`), '  script:', ...lines.map((line) => `    - ${line}`), ''].join('\n');

export const faults: Readonly<Record<FaultName, Fault>> = {
  reclaim: {
    title: 'the cloud takes a spot instance back while a job runs on it',
    pipeline: job(
      'train',
      [
        'step=$(cat model/step 2>/dev/null || echo 0)',
        'echo "starts at step $step"',
        'while [ "$step" -lt 60 ]; do step=$((step + 1)); mkdir -p model; echo "$step" >model/step; sleep 0.5; done',
        'echo "step $step of 60 done"',
      ],
      [
        // Longer than an hour, so that no protected hour is asked for.
        'timeout: 2h',
        'retry: { max: 2, when: runner_system_failure }',
        'cache: { key: model, when: always, paths: [model/] }',
        'variables: { SPOT_ON_INTERRUPTION: "cp model/step model/saved" }',
      ],
    ),
    when: {
      says: SCRIPT,
      async act({ control, say }) {
        const instance = await theInstance(control);
        say(`fault: the cloud takes ${named(instance)} back in ${NOTICE_MS / 1000} s`);
        await control.interrupt(instance.instanceId, NOTICE_MS);
      },
    },
    verdict: (result) => {
      const resumed = /starts at step ([1-9]\d*)/.exec(plain(result))?.[1];
      return {
        held: result.state === 'success' && result.attempts > 1,
        lines: [
          `The notice was seen, SPOT_ON_INTERRUPTION was run, and the cache was saved before the instance was gone.`,
          `GitLab ran the job again, in another pool: attempt ${result.attempts} ended as ${result.state}${resumed ? `, from step ${resumed} on` : ''}.`,
        ],
      };
    },
  },
  'no-stock': {
    title: `the ${ZONE_COUNT} best pools are sold out when the instance is asked for`,
    pipeline: job('build', ['echo "built on $(hostname)"']),
    async prepare({ control, say }) {
      const error = {
        status: 403,
        code: 'OperationDenied.NoStock',
        message: 'The requested resource is sold out in the specified zone.',
      };
      await control.inject({ action: 'RunInstances', error, times: ZONE_COUNT });
      say(`fault: the next ${ZONE_COUNT} instances are refused (OperationDenied.NoStock)`);
    },
    verdict: (result) => {
      const tried = taken(result);
      return {
        held: result.state === 'success' && tried.length === ZONE_COUNT + 1,
        lines: [
          `Tried in one prepare: ${tried.join('; ')}.`,
          `The job ended as ${result.state}, in attempt ${result.attempts} of GitLab: nobody had to run it again.`,
        ],
      };
    },
  },
  price: {
    title: 'the spot price of the best pool rises above what the profile pays',
    pipeline: job('build', ['echo "built on $(hostname)"']),
    async prepare({ control, say }) {
      await control.setPool({ instanceType: CHEAPEST }, { spotYuanPerHour: 3 });
      say(`fault: spot instances of ${CHEAPEST} cost 3 yuan an hour now, in every zone`);
    },
    verdict: (result) => ({
      held: result.state === 'success' && taken(result).every((pool) => !pool.startsWith(CHEAPEST)),
      lines: [
        `Taken: ${taken(result).join('; ')}.`,
        'The profile pays at most 0.90 yuan an hour (spot.maxPrice), so these pools were left out.',
      ],
    }),
  },
  quota: {
    title: 'the account may have no more security groups',
    pipeline: job('build', ['echo "built on $(hostname)"']),
    async prepare({ control, say }) {
      await control.setQuotas({ securityGroups: 0 });
      say('fault: the quota of security groups is used up');
    },
    verdict: (result) => ({
      held: result.state === 'failed' && result.failureReason === 'runner_system_failure',
      lines: [
        'The job failed as the runner’s fault, not its own, in one sentence that says what to do:',
        `  ${/^ERROR: .*$/m.exec(plain(result))?.[0] ?? 'it said nothing'}`,
      ],
    }),
  },
  cut: {
    title: 'the network between runner and instance is cut while a script runs',
    pipeline: job('count', ['for i in $(seq 1 60); do echo "line $i"; sleep 0.2; done']),
    when: {
      says: /line 10\b/,
      async act({ control, say }) {
        const { instanceId } = await theInstance(control);
        say(`fault: ${instanceId} can't be reached for ${CUT_MS / 1000} s`);
        await control.disconnect(instanceId);
        await new Promise((resolve) => setTimeout(resolve, CUT_MS));
        await control.reconnect(instanceId);
      },
    },
    verdict: (result) => {
      const lines = plain(result).match(/^line \d+$/gm) ?? [];
      const whole = lines.length === 60 && lines.every((line, index) => line === `line ${index + 1}`);
      return {
        held: result.state === 'success' && whole,
        lines: [
          `The script went on meanwhile; the log has ${lines.length} of 60 lines, ${whole ? 'each once and in order' : 'and not as they were printed'}.`,
        ],
      };
    },
  },
  kill: {
    title: 'the prepare hook is killed while its instance is being created',
    pipeline: job('build', ['echo "built on $(hostname)"']),
    when: {
      says: /Taking ecs\./,
      async act({ stateDir, say }) {
        for (const pid of await processesWith(`GITLAB_SPOT_STATE_DIR=${stateDir}`)) {
          const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
          if (!/executor\/prepare\.js\0/.test(words)) continue;
          process.kill(pid, 'SIGKILL');
          say(`fault: the prepare hook (process ${pid}) is killed with SIGKILL`);
        }
      },
    },
    verdict: (result) => ({
      held: result.state === 'success' && taken(result).length === 2,
      lines: [
        `The runner tried again: ${taken(result).length} instances were asked for, and the job ended as ${result.state}.`,
        'What the killed hook had made was found by its stack’s name and destroyed.',
      ],
    }),
  },
};

/** Plays a fault to a pipeline as it goes. */
export class FaultPlay {
  private acting: Promise<void> | undefined;
  private failure: unknown;
  private seen = '';

  constructor(
    private readonly fault: Fault,
    private readonly place: FaultPlace,
  ) {}

  see(event: RunnerEvent): void {
    const { when } = this.fault;
    if (event.type !== 'log' || !when || this.acting) return;
    this.seen = `${this.seen}${event.text}`.slice(-4_096);
    if (when.says.test(this.seen)) this.acting = when.act(this.place).catch((error) => void (this.failure = error));
  }

  /** @throws what kept the fault from being done */
  async verdict({ jobs }: PipelineResult): Promise<Verdict> {
    await this.acting;
    if (this.failure !== undefined) throw this.failure as Error;
    return this.fault.verdict(jobs[0]!);
  }
}

async function theInstance(control: CloudControl): Promise<InstanceView> {
  const { instances } = await control.leftovers();
  const running = instances.find(({ status }) => status === 'Running');
  if (!running) throw new Error('the fault came too late: no instance runs any more');
  return running;
}

function named({ instanceId, instanceType, zoneId }: InstanceView): string {
  return `${instanceId} (${instanceType} in ${zoneId})`;
}

function plain({ log }: JobResult): string {
  return logText(log, false);
}

/** Each pool, market and price that the log says was taken. */
function taken(result: JobResult): string[] {
  return [
    ...plain(result).matchAll(/(?:Taking|Trying next:) (ecs\.\S+ in [^,\s]+), (spot|pay-as-you-go)[^,]*, ([\d.]+)?/g),
  ].map(([, pool, market, price = '?']) => `${pool} (${market}, ${price} yuan/h)`);
}
