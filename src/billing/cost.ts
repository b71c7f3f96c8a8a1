import type { PricePoint } from '../cloud/types';
import { unitOf } from '../currency';
import type { InstanceFacts, JobRecord } from '../jobs/types';
import { isSpareName } from '../jobs/identity';
import { billedFrom, instanceOf } from '../jobs/transitions';
import { useOf } from '../jobs/use';
import { addUp } from './add-up';
import { millionths } from './money';
import type { LedgerEntry } from './types';

/**
 * Yuan for that many seconds at a price an hour. Instances are billed by the second
 * (docs/alibaba-cloud.md). Rounded to a millionth.
 */
export function yuanFor(seconds: number, priceYuanPerHour: number): number {
  return Math.round((seconds * priceYuanPerHour * 1e6) / 3600) / 1e6;
}

/** What an instance costs an hour with its disk. */
export function hourlyYuan({
  priceYuanPerHour,
  diskYuanPerHour = 0,
}: Pick<InstanceFacts, 'priceYuanPerHour' | 'diskYuanPerHour'>): number {
  return priceYuanPerHour + diskYuanPerHour;
}

/** What a job's instance cost until now, with its disk; one that is gone costs no more. Undefined: it has none. */
export function yuanSoFar(record: JobRecord, nowMs: number): number | undefined {
  const instance = instanceOf(record);
  const endMs = goneMs(record) ?? nowMs;
  const seconds = Math.max(0, (endMs - Date.parse(billedFrom(record) ?? '')) / 1000);
  return instance && yuanFor(seconds, hourlyYuan(instance));
}

/**
 * When the cloud no longer knew a job's instance, or when it was lost; undefined: it is there, as far
 * as is known.
 */
export function goneMs(record: JobRecord): number | undefined {
  if (record.phase !== 'destroying') return undefined;
  const { goneAt, loss } = record;
  // One that does not answer may be there, and is billed.
  const at = goneAt ?? (loss?.reason === 'unreachable' ? undefined : loss?.at);
  return at === undefined ? undefined : Date.parse(at);
}

/** A stretch of an instance's life as it is billed. */
export interface Billed {
  readonly from: Date;
  readonly to: Date;
  /** At launch, yuan an hour. */
  readonly priceYuanPerHour: number;
  /** So long the price of the launch holds; Infinity for pay-as-you-go. */
  readonly fixedHours: number;
  /**
   * Market prices since before `from`, oldest first; those that are not known are taken to be that
   * of the launch.
   */
  readonly prices: readonly PricePoint[];
}

/**
 * What it costs: whole seconds, each at the market price of its moment, those of the protected hour
 * at the price of the launch. Rounded to a millionth of a yuan.
 * https://www.alibabacloud.com/help/en/ecs/spot-instance
 */
export function yuanOf({ from, to, priceYuanPerHour, fixedHours, prices }: Billed): number {
  const begin = wholeSeconds(from);
  const end = wholeSeconds(to);
  const changes = prices
    .map(({ at, yuanPerHour }) => ({ at: wholeSeconds(new Date(at)), yuanPerHour }))
    .filter(({ at }) => at > begin && at >= begin + fixedHours * 3600 && at < end);
  const held = prices.findLast(({ at }) => wholeSeconds(new Date(at)) <= begin + fixedHours * 3600);
  const steps = [
    { at: begin, yuanPerHour: priceYuanPerHour },
    ...(fixedHours * 3600 < end - begin && held
      ? [{ at: begin + fixedHours * 3600, yuanPerHour: held.yuanPerHour }]
      : []),
    ...changes,
  ];
  const sum = steps.reduce((total, { at, yuanPerHour }, index) => {
    return total + Math.max(0, (steps[index + 1]?.at ?? end) - at) * yuanPerHour;
  }, 0);
  return Math.round((sum * 1e6) / 3600) / 1e6;
}

/**
 * Placement knew the price of up to a minute ago; the history has it, but for one that changed in
 * the very second of the launch.
 */
function launchPrice({ createdAt, priceYuanPerHour }: InstanceFacts, prices: readonly PricePoint[]): number {
  const launched = wholeSeconds(new Date(createdAt));
  const since = (point: PricePoint) => wholeSeconds(new Date(point.at));
  const before = prices.findLast((point) => since(point) < launched);
  const possible = [...(before ? [before] : []), ...prices.filter((point) => since(point) === launched)];
  const placed = possible.find(({ yuanPerHour }) => yuanPerHour === priceYuanPerHour);
  return (placed ?? possible.at(-1))?.yuanPerHour ?? priceYuanPerHour;
}

/** The cloud's books know whole seconds. */
function wholeSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

/**
 * The ledger's lines of an instance that is gone: the job's, and before it that of the time in
 * which it was a spare machine, which is no job's. Together they are what the cloud bills. None:
 * there never was an instance, so nothing was billed.
 * @param prices how the pool's spot price went in its life; empty: not known.
 */
export function entriesOf(record: JobRecord, to: Date, prices: readonly PricePoint[] = []): readonly LedgerEntry[] {
  const whole = entryOf(record, to, prices);
  if (!whole || record.spare === undefined) return whole ? [whole] : [];
  const claimed = new Date(
    Math.min(to.getTime(), Math.max(Date.parse(record.spare.claimedAt), Date.parse(whole.from))),
  );
  const waited = spareEntry(record, record.spare.stackName, entryOf(record, claimed, prices)!);
  const rest = (key: 'seconds' | 'yuan' | 'diskYuan'): number =>
    Math.max(0, millionths((whole[key] ?? 0) - (waited[key] ?? 0)));
  const disk = whole.diskYuan === undefined ? {} : { diskYuan: rest('diskYuan') };
  return [waited, { ...whole, from: claimed.toISOString(), seconds: rest('seconds'), yuan: rest('yuan'), ...disk }];
}

/** Of the same instance, before a job had it. */
function spareEntry({ executorId }: JobRecord, stack: string, entry: LedgerEntry): LedgerEntry {
  const { profile, instanceId, instanceType, zoneId, market, priceYuanPerHour, onDemandYuanPerHour } = entry;
  const { from, to, seconds, yuan, currency, diskYuan, trafficYuanPerGiB } = entry;
  const pool = { profile, instanceId, instanceType, zoneId, market, priceYuanPerHour, onDemandYuanPerHour };
  const money = {
    yuan,
    ...(currency === undefined ? {} : { currency }),
    ...(diskYuan === undefined ? {} : { diskYuan }),
    ...(trafficYuanPerGiB === undefined ? {} : { trafficYuanPerGiB }),
  };
  return { ...nobodys, ...pool, ...money, stack, executorId, from, to, seconds };
}

/** A line that is no job's. */
const nobodys = {
  version: 1,
  spare: true,
  server: '',
  jobId: 0,
  attempt: 0,
  project: '',
  ref: '',
  jobName: '',
  userLogin: '',
  readySeconds: undefined,
  result: 'unknown',
  interrupted: false,
} as const;

/** The line of an instance that had one use: a job's, or as a spare machine alone. */
export function entryOf(record: JobRecord, to: Date, prices: readonly PricePoint[] = []): LedgerEntry | undefined {
  if (record.phase === 'preparing' || record.instance === undefined) return undefined;
  const { instance, identity } = record;
  const { trafficYuanPerGiB } = instance;
  const use = useOf(record);
  const from = new Date(instance.createdAt);
  const loss = record.phase === 'lost' || record.phase === 'destroying' ? record.loss : undefined;
  const seconds = Math.max(0, wholeSeconds(to) - wholeSeconds(from));
  const priceYuanPerHour = launchPrice(instance, prices);
  const fixedHours = instance.pool.market === 'spot' ? (instance.durationHours ?? 1) : Infinity;
  const instanceYuan = yuanOf({ from, to, priceYuanPerHour, fixedHours, prices });
  // Disks are billed from the instance's creation until it is gone, as the instance.
  const diskYuan = instance.diskYuanPerHour === undefined ? undefined : yuanFor(seconds, instance.diskYuanPerHour);
  return {
    version: 1,
    ...(isSpareName(identity.stackName) ? { spare: true } : {}),
    stack: identity.stackName,
    executorId: record.executorId,
    server: identity.serverHost,
    jobId: identity.jobId,
    attempt: identity.attempt,
    project: record.project,
    ...(record.projectId === undefined ? {} : { projectId: record.projectId }),
    ref: record.ref,
    jobName: record.jobName,
    userLogin: record.userLogin,
    profile: record.profile,
    instanceId: instance.instanceId,
    instanceType: instance.pool.instanceType,
    zoneId: instance.pool.zoneId,
    market: instance.pool.market,
    ...(instance.currency === undefined ? {} : { currency: instance.currency }),
    priceYuanPerHour,
    onDemandYuanPerHour: instance.onDemandYuanPerHour,
    from: from.toISOString(),
    to: to.toISOString(),
    seconds,
    yuan: millionths(instanceYuan + (diskYuan ?? 0)),
    ...(diskYuan === undefined ? {} : { diskYuan }),
    ...(trafficYuanPerGiB === undefined ? {} : { trafficYuanPerGiB }),
    readySeconds: Math.round((new Date(instance.readyAt).getTime() - new Date(record.startedAt).getTime()) / 1000),
    result: record.phase === 'destroying' ? record.result : 'unknown',
    ...failedStageOf(record),
    ...(loss === undefined ? {} : { loss: loss.reason }),
    interrupted: loss?.reason === 'interrupted',
    ...(loss?.confirmed === undefined ? {} : { confirmed: loss.confirmed }),
    ...(use === undefined ? {} : { use }),
    ...(record.verified === undefined ? {} : { verified: record.verified }),
  };
}

/** The first that failed: `after_script` and what comes later do not decide on a job. */
function failedStageOf(record: JobRecord): Pick<LedgerEntry, 'failedStage'> {
  if (record.phase !== 'destroying' || record.result !== 'failed') return {};
  const failed = record.stages.find(({ exitCode }) => exitCode !== 0);
  return failed === undefined ? {} : { failedStage: { stage: failed.stage, exitCode: failed.exitCode } };
}

/**
 * One line for the job's log: what it cost so far and of what, beside pay-as-you-go. `8.0 min on
 * ecs.c7.xlarge at 0.155 yuan/h: 0.0263 yuan (instance 0.0207, disk 0.0056; pay-as-you-go 0.114, 77 %
 * saved)`. Traffic has no figure here: only the cloud's bill counts it.
 */
export function costLine(
  instance: Pick<
    InstanceFacts,
    'priceYuanPerHour' | 'onDemandYuanPerHour' | 'diskYuanPerHour' | 'trafficYuanPerGiB' | 'currency' | 'createdAt'
  > & { readonly pool: Pick<InstanceFacts['pool'], 'instanceType'> },
  now: Date,
): string {
  const { priceYuanPerHour, onDemandYuanPerHour, diskYuanPerHour, trafficYuanPerGiB } = instance;
  const unit = unitOf(instance.currency);
  const seconds = Math.max(0, (now.getTime() - new Date(instance.createdAt).getTime()) / 1000);
  const duration = seconds < 60 ? `${Math.round(seconds)} s` : `${(seconds / 60).toFixed(1)} min`;
  const own = yuanFor(seconds, priceYuanPerHour);
  const disk = yuanFor(seconds, diskYuanPerHour ?? 0);
  const sum = own + disk;
  const onDemand = yuanFor(seconds, onDemandYuanPerHour) + disk;
  const whole = addUp([own, disk], [own, disk].some((part) => part > 0 && part < 0.01) ? 4 : 3);
  const remarks = [
    diskYuanPerHour === undefined ? 'its disk not counted' : `instance ${whole.parts[0]}, disk ${whole.parts[1]}`,
    ...(onDemand <= sum
      ? []
      : [`pay-as-you-go ${amount(onDemand)}, ${Math.round((1 - sum / onDemand) * 100)} % saved`]),
    ...(trafficYuanPerGiB === undefined ? [] : [`public traffic on top, ${trafficYuanPerGiB} ${unit} a GiB`]),
  ];
  return `${duration} on ${instance.pool.instanceType} at ${priceYuanPerHour} ${unit}/h: ${whole.sum} ${unit} (${remarks.join('; ')})`;
}

function amount(yuan: number): string {
  return yuan.toFixed(yuan < 0.01 ? 4 : 3);
}
