import { yuanSoFar } from '../billing/cost';
import { namedIn, unitOf } from '../currency';
import { instanceOf } from '../jobs/transitions';
import type { JobRecord } from '../jobs/types';

/** What a job's or a spare's machine cost until now, as a person and as a script reads it. */

/** With its disk: `0.0123 yuan`; undefined: it has none. */
export function costSoFar(record: JobRecord): string | undefined {
  const yuan = yuanSoFar(record, Date.now());
  return yuan === undefined ? undefined : `${yuan.toFixed(4)} ${unitOf(instanceOf(record)?.currency)}`;
}

/** The record with it: names of amounts say their currency. */
export function recordForScripts(record: JobRecord) {
  const soFar = { ...record, yuanSoFar: yuanSoFar(record, Date.now()) };
  return namedIn(instanceOf(record)?.currency, { stack: record.identity.stackName, ...soFar });
}
