import path from 'node:path';
import { checkCurrency, isLimited, limitOf, WARN_SHARE } from '../billing/budget';
import { projectIdIn } from '../billing/ledger-lines';
import type { ProjectSpend } from '../billing/project-spend';
import { unitOf, type Currency } from '../currency';
import type { JobProgram } from '../engine/job-program';
import type { ReapRun } from '../reaper/last-run';
import type { JobRecord } from '../jobs/types';
import { counted, plural } from '../plural';
import type { BudgetSettings, Settings } from '../settings/types';
import { bad, good, warning, type Finding, type Seen } from './finding';

/** Three rounds of the timer and a little. */
const LATE_MS = 20 * 60_000;
/** So many are named, of those whose budget is used up. */
const MOST_PROJECTS = 3;

/**
 * Somebody looks after what dead jobs leave behind.
 * @param isNew no job has run on this host: its timer may not have come yet, and nothing is left
 */
export function reaper(run: ReapRun | undefined, nowMs: number, isNew = false): Finding {
  const condition = 'reaper';
  const start =
    'Start it: `systemctl enable --now gitlab-spot-reap.timer`, or `gitlab-spot reap --yes` every few minutes (the runner’s container does).';
  if (!run && isNew) return good(condition, 'it has not run here yet, nor has a job');
  if (!run) return warning(condition, 'it has not run here yet', start);
  const ageMs = nowMs - Date.parse(run.at);
  if (ageMs > LATE_MS) return warning(condition, `it has not run since ${run.at}`, start);
  if (run.lastSuccessAt !== run.at)
    return warning(
      condition,
      `its last round failed (the last good one: ${run.lastSuccessAt ?? 'none'})`,
      '`gitlab-spot reap --dry-run` says why.',
    );
  if (run.left > 0)
    return warning(
      condition,
      `${counted(run.left, 'stack')} could not be destroyed in its last round (${run.at})`,
      '`gitlab-spot reap --yes` tries again and says why.',
    );
  const foreign =
    run.reported > 0 ? `; ${counted(run.reported, 'stack of another host is', 'stacks of other hosts are')} there` : '';
  return good(condition, `last round ${run.at}${foreign}`);
}

/** Jobs go by the stacks/job.ts that stands there. @param program undefined: nobody has checked it yet */
export function jobStack(program: JobProgram | undefined): Finding {
  const condition = "job's stack";
  if (!program)
    return warning(
      condition,
      'stacks/job.ts, or what it imports, was edited; the next job checks its types first',
      '`gitlab-spot check` does so now.',
    );
  const { source, problems, goesBy } = program;
  const [problem, ...more] = problems;
  if (problem === undefined)
    return good(
      condition,
      source.edited
        ? `${path.relative(source.root, source.edited)} was edited, checked, and counts`
        : 'stacks/job.ts is the one that was installed',
    );
  return warning(
    condition,
    `${problem}${more.length > 0 ? ` (and ${more.length} more)` : ''}: jobs go by ${goesBy}`,
    `Mend ${source.file}; \`gitlab-spot check\` lists what does not fit.`,
  );
}

/** The host is not drained, or somebody has forgotten that it is. */
export function takesJobs(drainedSince: string | undefined): Finding {
  const condition = 'new jobs';
  if (drainedSince === undefined) return good(condition, 'are taken');
  return warning(
    condition,
    `are refused since ${drainedSince} (drain)`,
    'Run `gitlab-spot drain --undo` when the work is done.',
  );
}

/**
 * Nobody else works under this host's name. `machines`: of instances and records under it;
 * undefined where they don't tell.
 */
export function namesakes(
  { executorId }: Pick<Settings, 'executorId'>,
  machine: string | undefined,
  machines: readonly (string | undefined)[],
): Finding {
  const condition = 'machine';
  if (machine === undefined)
    return good(condition, `goes by its name alone, ${executorId}: a container with a network of its own has no other`);
  const others = [...new Set(machines)].filter((one) => one !== undefined && one !== machine);
  if (others.length === 0) return good(condition, `${executorId} (${machine})`);
  return warning(
    condition,
    `${others.join(', ')} works under this machine's name ${executorId} too (this is ${machine})`,
    'Give each machine a GITLAB_SPOT_EXECUTOR_ID of its own; after a move, `gitlab-spot reap --all-hosts` ends what the old one left.',
  );
}

/** Destroys that the destroyer has given up. */
export function destroys(records: readonly JobRecord[], maxTries: number): Finding {
  const condition = 'destroys';
  const pending = records.filter(({ phase }) => phase === 'destroying');
  const givenUp = pending.filter((record) => record.phase === 'destroying' && record.tries >= maxTries);
  if (givenUp.length === 0)
    return good(condition, pending.length === 0 ? 'none is pending' : `${pending.length} pending`);
  return warning(
    condition,
    `${givenUp.map(({ identity }) => identity.stackName).join(', ')} could not be destroyed after ${maxTries} tries`,
    '`gitlab-spot reap --yes` tries again and says why; log/destroyer.log in the state folder has the earlier tries.',
  );
}

/** A budget in another currency than the account's refuses every job. @throws ConfigurationError */
export function budgetCurrency(settings: BudgetSettings, billed: Currency | undefined): Seen {
  if (billed === undefined || !isLimited(settings)) return [];
  checkCurrency(settings, billed);
  return `${unitOf(billed)}, as the account's`;
}

/** The month's money, for all projects together, and of those whose own budget is used up. */
export function budget(
  settings: BudgetSettings,
  spent: readonly ProjectSpend[],
  unreadable: readonly string[] = [],
): Finding {
  const condition = 'budget';
  const { monthlyYuan, action, currency } = settings;
  const unit = unitOf(currency);
  const hasLimit = isLimited(settings);
  const refuses = action === 'refuse';
  if (unreadable.length > 0)
    return (hasLimit && refuses ? bad : warning)(
      condition,
      `${unreadable.join('; ')}: what it cost is in no sum${hasLimit && refuses ? ', and jobs are refused' : ''}`,
      'Update gitlab-spot where a later version wrote it; restore or remove what is damaged.',
    );
  const spentYuan = spent.reduce((sum, { yuan }) => sum + yuan, 0);
  const detail =
    monthlyYuan === undefined
      ? `none is set${hasLimit ? ' but for projects' : ''}; ${spentYuan.toFixed(2)} ${unit} this month`
      : `${spentYuan.toFixed(2)} of ${monthlyYuan} ${unit} this month`;
  const remedy = 'Raise GITLAB_SPOT_BUDGET, or wait for the next month.';
  if (monthlyYuan !== undefined && spentYuan > monthlyYuan)
    return (refuses ? bad : warning)(condition, refuses ? `${detail}: jobs are refused` : detail, remedy);
  const usedUp = spent.flatMap(({ key, project, yuan }) => {
    // A budget of nothing is used up by intent.
    const limit = limitOf(settings, project, projectIdIn(key)) ?? 0;
    return limit > 0 && yuan > limit ? [`${project} has spent ${yuan.toFixed(2)} of ${limit} ${unit}`] : [];
  });
  if (usedUp.length > 0)
    return warning(
      condition,
      `${detail}; ${usedUp.slice(0, MOST_PROJECTS).join(', ')}${usedUp.length > MOST_PROJECTS ? ` (and ${usedUp.length - MOST_PROJECTS} more)` : ''}${refuses ? `: ${plural(usedUp.length, 'its', 'their')} jobs are refused` : ''}`,
      'Raise GITLAB_SPOT_BUDGET_PER_PROJECT, or wait for the next month.',
    );
  return monthlyYuan !== undefined && spentYuan > monthlyYuan * WARN_SHARE
    ? warning(condition, detail, remedy)
    : good(condition, detail);
}
