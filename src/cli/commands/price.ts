import { described } from '../../placement/messages';
import type { Placement, Ranking, Rejected, StockLevel } from '../../placement';
import type { Profile } from '../../settings/types';
import { currencyOf, namedIn, unitOf } from '../../currency';
import { ConfigurationError } from '../../errors';
import { formatDuration, parseDurationMs } from '../../duration';
import { defineCommand } from '../command';
import { table } from '../table';

export interface PriceArguments {
  /** The job's timeout decides on the protected hour. */
  readonly timeoutMs: number;
  readonly json: boolean;
}

/** `gitlab-spot price`: what a profile would get right now, and which pool would be taken and why. */
export async function price(
  profile: Profile,
  args: PriceArguments,
  {
    placement,
    out,
    warn,
  }: { readonly placement: Placement; readonly out: (text: string) => void; readonly warn: (line: string) => void },
): Promise<void> {
  const ranking = await placement.candidates({ profile, timeoutMs: args.timeoutMs, jobKey: '' });
  const currency = currencyOf([...ranking.candidates, ...ranking.rejected][0]?.currency);
  if (args.json)
    return out(`${JSON.stringify(namedIn(currency, { profile: profile.name, currency, ...ranking }), null, 2)}\n`);
  ranking.warnings.forEach(warn);
  out(`${forPeople(ranking, unitOf(currency))}\n${verdict(ranking, profile, args.timeoutMs)}\n`);
}

/** Which pool a job would take, and why. */
function verdict({ candidates, rejected }: Ranking, profile: Profile, timeoutMs: number): string {
  const job = `A job of profile ${profile.name} (timeout ${formatDuration(timeoutMs)})`;
  const [first] = candidates;
  const all = candidates.length + rejected.length;
  if (!first) return `${job} would find nothing: none of its ${all} pools is available now.`;
  const cap = profile.spot.maxPriceYuanPerHour;
  const limit = Number.isFinite(cap) ? `, never above ${cap} ${unitOf(first.currency)}/h for the instance` : '';
  const others = candidates.length - 1;
  const rest = others === 1 ? '1 other pool is' : `${others === 0 ? 'No' : others} other pools are`;
  return `${job} would take ${described(first)}. ${rest} available${limit}.`;
}

const STOCK: Readonly<Record<StockLevel, string>> = {
  WithStock: 'yes',
  ClosedWithStock: 'ending',
  WithoutStock: 'no',
  unknown: '?',
};

function forPeople({ candidates, rejected }: Ranking, unit: string): string {
  const figures = [`${unit}/h`, 'with\ndisk', 'pay-as-\nyou-go', 'saved', 'inter-\nrupted'];
  const rows = [
    ...candidates.map((pool, index) => ({ ...pool, place: String(index + 1) })),
    ...rejected.map((pool) => ({ ...pool, place: '–' })),
  ];
  return table(
    [
      { title: '#', align: 'right' },
      { title: 'type' },
      { title: 'zone' },
      { title: 'market' },
      { title: 'stock' },
      ...figures.map((title) => ({ title, align: 'right' as const })),
      { title: 'why' },
    ],
    rows.map((pool) => [
      pool.place,
      pool.instanceType,
      pool.zoneId,
      pool.market,
      STOCK[pool.stock],
      pool.priceYuanPerHour?.toFixed(3) ?? '?',
      withDisk(pool),
      pool.onDemandYuanPerHour?.toFixed(3) ?? '?',
      // Pay-as-you-go is what is compared with, and is never taken back.
      ...(pool.market === 'spot' ? [saved(pool), percent(pool.interruptionRate)] : ['', '']),
      pool.reason,
    ]),
  );
}

function withDisk({ priceYuanPerHour, diskYuanPerHour }: Rejected): string {
  const known = priceYuanPerHour !== undefined && diskYuanPerHour !== undefined;
  return known ? (priceYuanPerHour + diskYuanPerHour).toFixed(3) : '?';
}

function saved({ priceYuanPerHour: price, onDemandYuanPerHour: onDemand }: Rejected): string {
  return percent(price === undefined || !onDemand ? undefined : Math.round((1 - price / onDemand) * 100));
}

function percent(value: number | undefined): string {
  return value === undefined ? '?' : `${value} %`;
}

interface CommandLine {
  readonly cpu: string | undefined;
  readonly memory: string | undefined;
  readonly disk: string | undefined;
  readonly arch: string | undefined;
  readonly profile: string | undefined;
  readonly timeout: string;
  readonly json: boolean;
}

export const priceCommand = defineCommand<CommandLine>({
  command: 'price [profile]',
  describe: 'What a profile would get right now, for how much, and why',
  builder: (yargs) =>
    yargs
      .positional('profile', { type: 'string', describe: 'A profile of instances.yaml (default: its default)' })
      .options({
        timeout: { type: 'string', default: '1h', describe: "The job's timeout, which decides on the protected hour" },
        cpu: { type: 'string', describe: 'As a job with SPOT_CPU' },
        memory: { type: 'string', describe: 'As a job with SPOT_MEMORY (GiB)' },
        disk: { type: 'string', describe: 'As a job with SPOT_DISK (GiB)' },
        arch: { type: 'string', describe: 'As a job with SPOT_ARCH' },
        json: { type: 'boolean', default: false, describe: 'As JSON, for scripts' },
      }) as never,
  needs: { cloud: true },
  async run({ profile: name, timeout, json, cpu, memory, disk, arch }, { settings, out, warn }) {
    const [{ readProfiles }, { sized }, { createCloud, PERSON_WAITS }, { createPlacement }] = await Promise.all([
      import('../../settings/profiles'),
      import('../../settings/choose-size'),
      import('../../cloud/client'),
      import('../../placement'),
    ]);
    const page = readProfiles(settings.profilesFile);
    const profile = page.profiles[name ?? page.default];
    if (!profile)
      throw new ConfigurationError(`There is no profile "${name}" in ${settings.profilesFile}`, {
        remedy: `It has: ${Object.keys(page.profiles).join(', ')}.`,
      });
    const timeoutMs = parseDurationMs(timeout);
    if (!timeoutMs) throw new ConfigurationError(`--timeout takes a duration such as 30m or 1h30m, not "${timeout}"`);
    const placement = createPlacement({ cloud: createCloud(settings, PERSON_WAITS), settings, now: Date.now });
    const size = { vcpu: cpu, memoryGiB: memory, diskGiB: disk, architecture: arch };
    await price(sized(profile, size), { timeoutMs, json }, { placement, out, warn });
  },
});
