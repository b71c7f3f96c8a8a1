import type { JobRecord } from '../job/types';
import type { LedgerEntry } from './types';

/** Yuan for that many seconds at a price an hour. Instances are billed by the second (alibaba-cloud.md). Rounded to a millionth. */
export function yuanFor(seconds: number, priceYuanPerHour: number): number {
  return Math.round((seconds * priceYuanPerHour * 1e6) / 3600) / 1e6;
}

/** The ledger's line of a job whose instance is gone. Undefined: it never had an instance, so nothing was billed. */
export function entryOf(record: JobRecord, goneAt: Date): LedgerEntry | undefined {
  if (record.phase === 'preparing' || record.instance === undefined) return undefined;
  const { instance, identity } = record;
  const from = new Date(instance.createdAt);
  const loss = record.phase === 'lost' || record.phase === 'destroying' ? record.loss : undefined;
  // One that only could not be reached went on costing until it was deleted.
  const to = loss && loss.reason !== 'unreachable' ? new Date(loss.at) : goneAt;
  const seconds = Math.max(0, Math.round((to.getTime() - from.getTime()) / 1000));
  return {
    version: 1,
    stack: identity.stackName,
    executorId: record.executorId,
    server: identity.serverHost,
    jobId: identity.jobId,
    attempt: identity.attempt,
    project: record.project,
    ref: record.ref,
    jobName: record.jobName,
    userLogin: record.userLogin,
    profile: record.profile,
    instanceId: instance.instanceId,
    instanceType: instance.pool.instanceType,
    zoneId: instance.pool.zoneId,
    market: instance.pool.market,
    priceYuanPerHour: instance.priceYuanPerHour,
    onDemandYuanPerHour: instance.onDemandYuanPerHour,
    from: from.toISOString(),
    to: to.toISOString(),
    seconds,
    yuan: yuanFor(seconds, instance.priceYuanPerHour),
    readySeconds: Math.round((new Date(instance.readyAt).getTime() - new Date(record.startedAt).getTime()) / 1000),
    result: record.phase === 'destroying' ? record.result : 'unknown',
    interrupted: loss?.reason === 'interrupted',
  };
}

/**
 * One line for the job's log: what it cost so far, beside pay-as-you-go. `8 min on ecs.c7.xlarge at 0.155 yuan/h: 0.021 yuan
 * (pay-as-you-go 0.109, 81 % saved)`.
 */
export function costLine(
  instance: {
    readonly pool: { readonly instanceType: string };
    readonly priceYuanPerHour: number;
    readonly onDemandYuanPerHour: number;
    readonly createdAt: string;
  },
  now: Date,
): string {
  const seconds = Math.max(0, (now.getTime() - new Date(instance.createdAt).getTime()) / 1000);
  const yuan = yuanFor(seconds, instance.priceYuanPerHour);
  const duration = seconds < 60 ? `${Math.round(seconds)} s` : `${(seconds / 60).toFixed(1)} min`;
  const line = `${duration} on ${instance.pool.instanceType} at ${instance.priceYuanPerHour} yuan/h: ${yuan.toFixed(yuan < 0.01 ? 4 : 3)} yuan`;
  const onDemand = yuanFor(seconds, instance.onDemandYuanPerHour);
  if (onDemand <= yuan) return line;
  return `${line} (pay-as-you-go ${onDemand.toFixed(onDemand < 0.01 ? 4 : 3)}, ${Math.round((1 - yuan / onDemand) * 100)} % saved)`;
}
