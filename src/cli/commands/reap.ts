import { setTimeout as sleep } from 'node:timers/promises';
import type { Verdict } from '../../reaper/reap';
import type { CommandContext } from '../command';
import { jsonText } from '../../printable';
import { defineCommand } from '../command';
import { durationOption } from '../duration-option';
import { table } from '../table';

interface CommandLine {
  readonly yes: boolean | undefined;
  readonly dryRun: boolean | undefined;
  readonly allHosts: boolean;
  readonly grace: string;
  readonly watch: string | undefined;
  readonly json: boolean;
}

const GRACE = '5m';
/** A shorter pause would ask the cloud without rest. */
const LEAST_WATCH_MS = 1_000;

const EXAMPLES = '90s, 5m or 1h';

export const reapCommand = defineCommand<CommandLine>({
  command: 'reap',
  describe: 'Find what dead jobs left behind, and destroy it',
  builder: (yargs) =>
    yargs
      .options({
        yes: { type: 'boolean', alias: 'y', describe: 'Do it (the default where no terminal asks)' },
        'dry-run': { type: 'boolean', describe: 'Only say what would be done (the default in a terminal)' },
        'all-hosts': {
          type: 'boolean',
          default: false,
          describe: 'Also what other runner hosts left, where GitLab or a release time says that it is over',
        },
        grace: { type: 'string', default: GRACE, describe: 'A job without a hook at work is dead after this time' },
        watch: { type: 'string', describe: 'Go on, every so often (such as 5m)' },
        json: { type: 'boolean', default: false, describe: 'As JSON, for scripts' },
      })
      .conflicts('yes', 'dry-run') as never,
  needs: { cloud: true },
  async run(args, context) {
    const graceMs = durationOption('--grace', args.grace, EXAMPLES);
    const everyMs =
      args.watch === undefined ? undefined : durationOption('--watch', args.watch || '5m', EXAMPLES, LEAST_WATCH_MS);
    const dry = args.dryRun ?? (args.yes !== true && context.terminal && everyMs === undefined);
    for (;;) {
      const left = await once({ ...args, graceMs, dry }, context).catch((error: unknown) => {
        // A watch outlives an API that is away for a while; a single run tells.
        if (everyMs === undefined || context.signal.aborted) throw error;
        context.warn(`reap: ${(error as Error).message}; trying again in ${args.watch || '5m'}`);
        return 0;
      });
      if (everyMs === undefined) return left > 0 ? 3 : 0;
      await sleep(everyMs, undefined, { signal: context.signal });
    }
  },
});

/** @returns how many stacks could not be destroyed, or, in a dry run, would be. */
async function once(args: CommandLine & { graceMs: number; dry: boolean }, context: CommandContext): Promise<number> {
  const { settings, out, warn } = context;
  const [{ auditBudget }, { verdicts, carryOut, noted }, { inTurn }, { endStaleBuilds }, { reaperDependencies }] =
    await Promise.all([
      import('../../audit/log'),
      import('../../reaper/reap'),
      import('../../reaper/in-turn'),
      import('../../reaper/stale-builds'),
      import('../../composition/reaper'),
    ]);
  const policy = { graceMs: args.graceMs, allHosts: args.allHosts };
  const round = async () => {
    const dependencies = reaperDependencies(settings, warn);
    const decided = await verdicts(dependencies, policy);
    const doomed = decided.filter(isDoomed).map(({ stackName }) => stackName);
    // All count as left until they have been destroyed, since that may fail.
    let left: readonly string[] = args.dry ? [] : doomed;
    const print = (): void =>
      out(
        args.json
          ? `${jsonText(decided.map((verdict) => asJson(verdict, args.dry, left)))}\n`
          : forPeople(decided, args.dry, left) + reapHint(args, doomed.length),
      );
    if (args.dry) print();
    else {
      auditBudget(settings.stateDir, settings.budget);
      await inTurn(
        warn,
        async () => (left = await carryOut(decided, dependencies, policy)),
        () => endStaleBuilds({ ...dependencies, nowMs: Date.now() }),
        () => keep(context),
        print,
      );
    }
    return { decided, left, doomed };
  };
  if (args.dry) return (await round()).doomed.length;
  // Each also after a round that failed.
  const { left } = await noted(settings, round)
    .finally(() => tell(context))
    .finally(() => fillKeys(context));
  return left.length;
}

/**
 * Leftovers are reported even if the spare machines fail, for a mistake in the profiles page, say.
 */
async function keep({ settings, warn, signal }: CommandContext): Promise<void> {
  const [{ keepSpares }, { keeperDependencies }] = await Promise.all([
    import('../../spares/keep'),
    import('../../composition/spares'),
  ]);
  try {
    await keepSpares(keeperDependencies(settings, warn, signal));
  } catch (error) {
    warn(`Spare machines are not looked after: ${(error as Error).message}`);
  }
}

/** Last of all: it may take seconds, and a person has read the rest by then. */
async function fillKeys({ settings, signal }: CommandContext): Promise<void> {
  const { fillInRound } = await import('../../composition/keys');
  await fillInRound(settings, signal);
}

/** Never a reason for a round to fail. */
async function tell({ settings, warn }: CommandContext): Promise<void> {
  if (settings.notices.webhook === undefined && settings.notices.webhookFile === undefined) return;
  const { tellNotices } = await import('../../notices/tell');
  await tellNotices(settings, warn);
}

function forPeople(decided: readonly Verdict[], dry: boolean, left: readonly string[]): string {
  if (decided.length === 0) return 'Nothing is there: no job stack, no tagged resource, no record.\n';
  const rows = decided.map((verdict) => [
    verdict.stackName,
    doneOf(verdict, dry, left),
    verdict.inBackend ? 'yes' : 'no',
    String(verdict.inCloud),
    verdict.record?.phase ?? '–',
    verdict.decision.reason,
  ]);
  const columns = [
    { title: 'stack' },
    { title: 'decision' },
    { title: 'backend', spare: 3 },
    { title: 'cloud', align: 'right' as const, spare: 2 },
    { title: 'record', spare: 1 },
    { title: 'because' },
  ];
  return table(columns, rows);
}

/** The command that does what a dry run says, which depends on what that was asked with. */
export function reapHint(
  { dry, grace, allHosts }: Pick<CommandLine, 'grace' | 'allHosts'> & { readonly dry: boolean },
  doomed: number,
): string {
  if (!dry || doomed === 0) return '';
  const options = `${grace === GRACE ? '' : ` --grace ${grace}`}${allHosts ? ' --all-hosts' : ''}`;
  return `\n${doomed} would be destroyed: \`gitlab-spot reap --yes${options}\` does it.\n`;
}

function isDoomed({ decision }: Verdict): boolean {
  return decision.action === 'destroy' || decision.action === 'adopt';
}

function doneOf({ decision, stackName }: Verdict, dry: boolean, left: readonly string[]): string {
  if (dry || decision.action === 'keep' || decision.action === 'report') return decision.action;
  return left.includes(stackName) ? 'not destroyed yet' : 'destroyed';
}

function asJson(verdict: Verdict, dry: boolean, left: readonly string[]) {
  const { stackName, owner, inBackend, inCloud, decision } = verdict;
  return {
    stack: stackName,
    owner,
    inBackend,
    inCloud,
    phase: verdict.record?.phase,
    action: decision.action,
    reason: decision.reason,
    done: doneOf(verdict, dry, left),
  };
}
