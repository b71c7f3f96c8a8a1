import type { Placement, Ranking } from '../../placement';
import type { Profile } from '../../settings/types';
import { ConfigurationError } from '../../errors';
import { parseDurationMs } from '../../duration';
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
  if (args.json) return out(`${JSON.stringify({ profile: profile.name, ...ranking }, null, 2)}\n`);
  ranking.warnings.forEach(warn);
  out(forPeople(ranking));
  const first = ranking.candidates[0];
  if (first)
    out(
      `\nA job would take ${first.instanceType} in ${first.zoneId} (${first.market}): ${first.reason}, cap ${profile.spot.maxPriceYuanPerHour} yuan/h\n`,
    );
  else out(`\nA job would find nothing: the profile ${profile.name} has no pool that can be had now\n`);
}

function forPeople({ candidates, rejected }: Ranking): string {
  const figures = ['yuan/h', 'pay-as-you-go', 'discount', 'interrupted'];
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
      pool.stock,
      pool.priceYuanPerHour?.toFixed(3) ?? '?',
      pool.onDemandYuanPerHour?.toFixed(3) ?? '?',
      discount(pool.priceYuanPerHour, pool.onDemandYuanPerHour),
      pool.interruptionRate === undefined ? '?' : `${pool.interruptionRate} %`,
      pool.reason,
    ]),
  );
}

function discount(price: number | undefined, onDemand: number | undefined): string {
  return price === undefined || !onDemand ? '?' : `${Math.round((1 - price / onDemand) * 100)} %`;
}

interface CommandLine {
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
        json: { type: 'boolean', default: false, describe: 'As JSON, for scripts' },
      }) as never,
  needs: { cloud: true },
  async run({ profile: name, timeout, json }, { settings, out, warn }) {
    const [{ readProfiles }, { createCloud }, { createPlacement }] = await Promise.all([
      import('../../settings/profiles'),
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
    if (timeoutMs === undefined)
      throw new ConfigurationError(`--timeout takes a duration such as 30m or 1h30m, not "${timeout}"`);
    const placement = createPlacement({ cloud: createCloud(settings), settings, now: Date.now });
    await price(profile, { timeoutMs, json }, { placement, out, warn });
  },
});
