import type { Quotas } from '../../cloud/account';
import { publicTrafficPrice } from '../../cloud/list-prices';
import type { Cloud } from '../../cloud/types';
import { architectureOf } from '../../placement/choose-types';
import { quotaProblem, withinQuota, type QuotaFacts } from '../../placement/quota';
import { imageOf } from '../../prepare/stack-args';
import { described } from '../../placement/messages';
import type { Placement, Ranking, Rejected, StockLevel } from '../../placement';
import type { Profile } from '../../settings/types';
import { currencyOf, namedIn, unitOf, type Currency } from '../../currency';
import { ConfigurationError } from '../../errors';
import { formatDuration } from '../../duration';
import { counted } from '../../plural';
import { jsonText } from '../../printable';
import { defineCommand, type CommandContext } from '../command';
import { durationOption } from '../duration-option';
import { fold } from '../prose';
import { columnsHere, table } from '../table';

export interface PriceDependencies {
  readonly placement: Placement;
  readonly cloud: Pick<Cloud, 'resolveImage'>;
  /** What the account may have. @throws CloudRefused, CloudUnreachable */
  readonly quota: (instanceTypes: readonly string[]) => Promise<QuotaFacts>;
}

/** What a job of the profile would get right now. */
export interface Offer {
  readonly profile: Profile;
  readonly ranking: Ranking;
  /** Why its instance could not start all the same; undefined: nothing of what was looked at. */
  readonly problem: string | undefined;
}

/** @throws CloudRefused, ConfigurationError: nothing can be asked at all */
export async function offerOf(
  profile: Profile,
  timeoutMs: number,
  { placement, cloud, quota }: PriceDependencies,
): Promise<Offer> {
  const ranked = await placement.candidates({ profile, timeoutMs, jobKey: '' });
  const facts = await quota([...new Set(ranked.candidates.map(({ instanceType }) => instanceType))]).catch(
    (error: Error) => error,
  );
  if (facts instanceof Error) {
    const warnings = [...ranked.warnings, `Quotas can't be asked (${facts.message})`];
    return { profile, ranking: { ...ranked, warnings }, problem: await imageProblem(profile, ranked, cloud) };
  }
  const ranking = withinQuota(ranked, facts);
  return { profile, ranking, problem: quotaProblem(facts) ?? (await imageProblem(profile, ranking, cloud)) };
}

export interface PriceQuestion {
  readonly profiles: readonly Profile[];
  readonly timeoutMs: number;
  /** As JSON: one object where one profile was asked for, else a list. */
  readonly json: 'one' | 'list' | undefined;
}

/**
 * `gitlab-spot price`: prints what each profile would get, and warns of what could not be asked.
 * @returns whether a job of each would start now
 */
export async function price(
  { profiles, timeoutMs, json }: PriceQuestion,
  { out, warn, ...dependencies }: PriceDependencies & Pick<CommandContext, 'out' | 'warn'>,
): Promise<boolean> {
  const offers: Offer[] = [];
  const told = new Set<string>();
  for (const profile of profiles) {
    const offer = await offerOf(profile, timeoutMs, dependencies);
    offers.push(offer);
    for (const warning of offer.ranking.warnings) if (!told.has(warning)) warn(warning);
    offer.ranking.warnings.forEach((warning) => told.add(warning));
    if (!json) out(`${offers.length > 1 ? '\n' : ''}${offerForPeople(offer, timeoutMs)}`);
  }
  const answers = offers.map(offerForScripts);
  if (json) out(`${jsonText(json === 'one' ? answers[0] : answers)}\n`);
  return offers.every(isGood);
}

/** A job would start: it has a pool, and an image that fits. */
export function isGood({ ranking, problem }: Offer): boolean {
  return ranking.candidates.length > 0 && problem === undefined;
}

/** One profile as JSON: names of amounts say their currency. */
export function offerForScripts({ profile, ranking, problem }: Offer) {
  const currency = currencyIn(ranking);
  const trafficYuanPerGiB = publicTrafficPrice(profile.internetBandwidthMbps, currency);
  return namedIn(currency, { profile: profile.name, currency, problem, trafficYuanPerGiB, ...ranking });
}

/** The table of pools, and what a job would take and why. */
export function offerForPeople({ profile, ranking, problem }: Offer, timeoutMs: number): string {
  const currency = currencyIn(ranking);
  const fails = problem === undefined ? '' : `It would fail: ${problem}.\n`;
  const sentences = `${verdict(ranking, profile, timeoutMs)}\n${traffic(profile, currency)}${fails}`;
  return `${forPeople(ranking, unitOf(currency))}\n${fold(sentences, columnsHere())}`;
}

function currencyIn({ candidates, rejected }: Ranking): Currency {
  return currencyOf([...candidates, ...rejected][0]?.currency);
}

/**
 * As the cloud would refuse it: an image that is not there, or of another architecture than the
 * pool that would be taken.
 */
async function imageProblem(
  profile: Profile,
  { candidates: [first] }: Ranking,
  cloud: PriceDependencies['cloud'],
): Promise<string | undefined> {
  const image = await imageOf(profile, cloud).catch((error: unknown) => {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  });
  if (typeof image === 'string') return image;
  if (first === undefined || image.architecture === undefined) return undefined;
  const wanted = architectureOf(first.instanceType);
  if (image.architecture === wanted) return undefined;
  return `image ${profile.image} (${image.imageId}) is of ${image.architecture}, ${first.instanceType} of ${wanted}`;
}

/** GiB an hour of one Mbit/s. */
const GIB_PER_HOUR = (1e6 / 8) * (3600 / 2 ** 30);

/** An estimate: nobody knows before how much a job will send. */
function traffic({ internetBandwidthMbps: mbps }: Profile, currency: Currency): string {
  const perGiB = publicTrafficPrice(mbps, currency);
  if (perGiB === undefined) return '';
  const most = (mbps * GIB_PER_HOUR * perGiB).toFixed(2);
  return `Public traffic is on top, an estimate by list price: ${perGiB} yuan a GiB sent, at most ${most} yuan/h at ${mbps} Mbit/s.\n`;
}

/** Which pool a job would take, and why. */
function verdict({ candidates, rejected }: Ranking, profile: Profile, timeoutMs: number): string {
  const job = `A job of profile ${profile.name} (timeout ${formatDuration(timeoutMs)})`;
  const [first] = candidates;
  const all = candidates.length + rejected.length;
  if (!first) return `${job} would find nothing: it has ${counted(all, 'pool')}, and none is available now.`;
  const cap = profile.spot.maxPriceYuanPerHour;
  const limit = Number.isFinite(cap) ? `, never above ${cap} ${unitOf(first.currency)}/h for the instance` : '';
  const others = candidates.length - 1;
  const rest = others === 0 ? 'No other pools are' : counted(others, 'other pool is', 'other pools are');
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
      { title: '#', align: 'right', spare: 3 },
      { title: 'type', whole: true },
      { title: 'zone', whole: true },
      { title: 'market', spare: 5 },
      { title: 'stock', spare: 4 },
      ...figures.map((title, index) => ({ title, align: 'right' as const, spare: [0, 1, 7, 2, 6][index] })),
      { title: 'why', prose: true },
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

/** Exit code: a job of a profile that was asked about would not start now. */
const NOT_AVAILABLE = 3;

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
      .positional('profile', { type: 'string', describe: 'A profile of instances.yaml; without one: each of them' })
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
    const [
      { readProfiles },
      { sized },
      { createCloud, createRpc, PERSON_WAITS },
      { createAccount },
      { createPlacement },
    ] = await Promise.all([
      import('../../settings/profiles'),
      import('../../settings/choose-size'),
      import('../../cloud/client'),
      import('../../cloud/account'),
      import('../../placement'),
    ]);
    const page = readProfiles(settings.profilesFile);
    if (name !== undefined && !Object.hasOwn(page.profiles, name))
      throw new ConfigurationError(`There is no profile "${name}" in ${settings.profilesFile}`, {
        remedy: `It has: ${Object.keys(page.profiles).join(', ')}.`,
      });
    const timeoutMs = durationOption('--timeout', timeout, '30m or 1h30m', 1);
    const cloud = createCloud(settings, PERSON_WAITS);
    const account = createAccount(createRpc(settings, PERSON_WAITS));
    const size = { vcpu: cpu, memoryGiB: memory, diskGiB: disk, architecture: arch };
    const isSized = Object.values(size).some((one) => one !== undefined);
    const asked = name ?? (isSized ? page.default : undefined);
    const names = asked === undefined ? Object.keys(page.profiles) : [asked];
    const profiles = names.map((one) => sized(page.profiles[one]!, size));
    let ofAccount: Promise<readonly [Quotas, QuotaFacts['counts']]> | undefined;
    const isStarting = await price(
      { profiles, timeoutMs, json: json ? (asked === undefined ? 'list' : 'one') : undefined },
      {
        cloud,
        placement: createPlacement({ cloud, settings, now: Date.now }),
        quota: async (types) => {
          // The account's, so asked once for all profiles.
          ofAccount ??= Promise.all([account.quotas(), account.counts()]);
          const sizes = types.length === 0 ? new Map<string, number>() : account.vcpus(types);
          const [[limits, counts], vcpus] = await Promise.all([ofAccount, sizes]);
          return { limits, counts, vcpus, sharedGroup: settings.cloud.securityGroupId !== undefined };
        },
        out,
        warn,
      },
    );
    return isStarting ? 0 : NOT_AVAILABLE;
  },
});
