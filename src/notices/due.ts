import type { BoardHeld, BoardMonth, BoardSnapshot } from '../board/types';
import type { Notice } from './formats';
import type { Told } from './told';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Of a month's budget, in percent, the highest first. */
const THRESHOLDS = [100, 80] as const;
/** A single failed round often means that an API was away for a minute. */
const FAILING_MS = 30 * MINUTE_MS;
/** A pool is always out of stock once it was so for a day, each of so many times. */
const SHORTAGE_MS = 24 * HOUR_MS;
const SHORTAGE_REFUSALS = 3;
/** Longer than a night without jobs: then nobody knows. */
const SHORTAGE_GAP_MS = 16 * HOUR_MS;
/** As the table of refusals says it. */
const OUT_OF_STOCK = 'out of stock';
/** After this a sent notice is forgotten: most are about a month or a day. */
const FORGET_MS = 62 * 24 * HOUR_MS;

/** A round's notices, without those that were told. Pure. */
export function dueNotices(snapshot: BoardSnapshot, { told, shortages }: Told): readonly Notice[] {
  const nowMs = Date.parse(snapshot.at);
  return [
    ...(snapshot.month ? ofBudget(snapshot.month, snapshot.unit, told) : []),
    ...snapshot.leftovers.map(ofLeftover),
    ...ofReaper(snapshot.reaper, nowMs),
    ...ofShortages(shortages),
  ].filter(({ key }) => !Object.hasOwn(told, key));
}

/** Budgets of the host and of its projects: the highest threshold that is reached, once. */
function ofBudget(
  { month, yuan, limitYuan, action, projects }: BoardMonth,
  unit: string,
  told: Told['told'],
): Notice[] {
  const budgets = [{ project: '', yuan, limitYuan }, ...projects.filter(({ project }) => project !== '')];
  return budgets.flatMap(({ project, yuan, limitYuan }) => {
    // A budget of nothing is used up from the start, by intent.
    if (limitYuan === undefined || limitYuan <= 0) return [];
    const percent = THRESHOLDS.find((threshold) => yuan >= (limitYuan * threshold) / 100);
    if (percent === undefined) return [];
    const whose = project === '' ? 'the budget' : `the budget of ${project}`;
    // A budget that was raised has thresholds of its own.
    const keyOf = (threshold: number): string =>
      `budget/${month}/${limitYuan}/${threshold}${project === '' ? '' : `/${project}`}`;
    if (percent < 100 && Object.hasOwn(told, keyOf(100))) return [];
    const then = action === 'refuse' ? 'further jobs are refused' : 'jobs go on, with a warning';
    return {
      key: keyOf(percent),
      title: `${percent} % of ${whose} is used`,
      lines: [
        `${yuan.toFixed(2)} of ${limitYuan} ${unit} in ${month}.`,
        percent === 100 ? `From now on ${then}.` : `At 100 % ${then}.`,
      ],
    };
  });
}

function ofLeftover(stackName: string): Notice {
  return {
    key: `leftover/${stackName}`,
    title: 'a stack could not be destroyed',
    lines: [`${stackName} may still cost money. \`gitlab-spot reap --yes\` tries again and says why.`],
  };
}

function ofReaper(reaper: BoardSnapshot['reaper'], nowMs: number): Notice[] {
  if (!reaper || reaper.at === reaper.lastSuccessAt) return [];
  const { lastSuccessAt } = reaper;
  if (lastSuccessAt !== undefined && nowMs - Date.parse(lastSuccessAt) < FAILING_MS) return [];
  return [
    {
      key: `reaper/${lastSuccessAt ?? 'never'}`,
      title: 'the reaper fails',
      lines: [
        `Its last good round: ${lastSuccessAt ?? 'none'}. Nobody destroys what dead jobs leave behind.`,
        '`gitlab-spot reap --dry-run` says why.',
      ],
    },
  ];
}

function ofShortages(shortages: Told['shortages']): Notice[] {
  return Object.entries(shortages)
    .filter(
      ([, { firstAt, lastAt, refusals }]) =>
        refusals >= SHORTAGE_REFUSALS && Date.parse(lastAt) - Date.parse(firstAt) >= SHORTAGE_MS,
    )
    .map(([pool, { firstAt, refusals }]) => ({
      key: `stock/${pool}/${firstAt}`,
      title: 'a pool is always out of stock',
      lines: [
        `${pool}: refused ${refusals} times since ${firstAt}, and no job got it.`,
        'Name further types or zones in instances.yaml; `gitlab-spot price` shows each pool.',
      ],
    }));
}

/** Follows which pools are out of stock from round to round: the placement forgets within hours. */
export function followShortages(before: Told['shortages'], snapshot: BoardSnapshot): Told['shortages'] {
  const nowMs = Date.parse(snapshot.at);
  const short = snapshot.heldBack.filter(({ instanceType, why }) => instanceType !== '' && why === OUT_OF_STOCK);
  const after = { ...before };
  for (const held of short) {
    const pool = poolName(held);
    const known = after[pool];
    if (known?.lastAt === held.since) continue;
    const goesOn = known && Date.parse(held.since) - Date.parse(known.lastAt) <= SHORTAGE_GAP_MS;
    after[pool] = {
      firstAt: goesOn ? known.firstAt : held.since,
      lastAt: held.since,
      refusals: (goesOn ? known.refusals : 0) + 1,
    };
  }
  const got = [
    ...snapshot.jobs.map((job) => ({ pool: poolName(job), at: job.since })),
    // An entry of the day does not say its market: either speaks against "always".
    ...(snapshot.today?.ended ?? []).flatMap((job) =>
      (['spot', 'on-demand'] as const).map((market) => ({
        pool: poolName({ ...job, market }),
        at: new Date(Date.parse(job.at) - job.seconds * 1000).toISOString(),
      })),
    ),
  ];
  for (const { pool, at } of got) if (Date.parse(at) > Date.parse(after[pool]?.firstAt ?? '')) delete after[pool];
  return Object.fromEntries(
    Object.entries(after).filter(([, { lastAt }]) => nowMs - Date.parse(lastAt) <= SHORTAGE_GAP_MS),
  );
}

function poolName({ instanceType, zoneId, market }: Pick<BoardHeld, 'instanceType' | 'zoneId' | 'market'>): string {
  return `${instanceType} in ${zoneId}${market === '' ? '' : ` (${market})`}`;
}

export function withoutOld(told: Told['told'], nowMs: number): Told['told'] {
  return Object.fromEntries(Object.entries(told).filter(([, at]) => nowMs - Date.parse(at) <= FORGET_MS));
}
