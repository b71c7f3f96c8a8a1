import { Ledger } from '../../src/billing/ledger';
import type { LedgerEntry } from '../../src/billing/types';
import { TAG } from '../../src/jobs/types';
import type { World } from './world';

interface Looked {
  /** Of the ledger. */
  readonly directory: string;
  readonly control: World['sandbox']['control'];
  /** What the cloud took while nobody looked is known to the next look. */
  readonly taken?: ReadonlySet<string>;
  /** Left out: all that the cloud ever billed. */
  readonly isMine?: (instanceId: string) => boolean;
}

/**
 * At most a line as a spare and one of a job for each machine, which together are what the cloud
 * bills. @returns what is wrong
 */
export async function wrongInLedger({
  directory,
  control,
  taken = new Set(),
  isMine = () => true,
}: Looked): Promise<string[]> {
  const { entries, unreadable } = await new Ledger(directory).entries({ from: '2000-01-01', to: '2999-12-31' });
  const billed = (await control.bill()).filter(
    ({ instanceId, seconds, to }) => isMine(instanceId) && seconds > 0 && to !== undefined,
  );
  const linesOf = (id: string): LedgerEntry[] =>
    entries
      .filter(({ instanceId }) => instanceId === id)
      .sort((a, b) => a.from.localeCompare(b.from) || a.to.localeCompare(b.to));
  const wrong = billed.flatMap(({ instanceId, seconds, to }) => {
    const lines = linesOf(instanceId);
    const sum = lines.reduce((total, line) => total + line.seconds, 0);
    const kinds = lines.map((line) => (line.spare ? 'spare' : 'job')).join();
    const isWhole = lines.every((line, index) => index === 0 || line.from === lines[index - 1]!.to);
    // What a poll takes, on a busy machine.
    const mostLate = taken.has(instanceId) ? 240 : 10;
    const isRight = sum > seconds - 10 && sum < seconds + 50 + mostLate && late(lines.at(-1)?.to, to) <= mostLate;
    if (isRight && isWhole && ['spare', 'job', 'spare,job'].includes(kinds)) return [];
    return [`${instanceId}: billed ${seconds} s to ${to}, in the ledger ${JSON.stringify(lines)}`];
  });
  return [
    ...(unreadable > 0 ? [`${unreadable} lines can't be read`] : []),
    ...wrong,
    ...(await neverBilled(entries, control)),
  ];
}

/**
 * What was deleted before it ran costs nothing; the ledger counts it from its creation, which is
 * known to the minute.
 */
async function neverBilled(entries: readonly LedgerEntry[], control: World['sandbox']['control']): Promise<string[]> {
  const billed = new Set((await control.bill()).map(({ instanceId }) => instanceId));
  const deleted = new Set(
    (await control.calls())
      .filter(({ action, status }) => action === 'DeleteInstance' && status === 200)
      .map(({ params }) => params.InstanceId),
  );
  return entries
    .filter(({ instanceId }) => !billed.has(instanceId))
    .filter(({ instanceId, seconds }) => !deleted.has(instanceId) || seconds > 70)
    .map((line) => `in the ledger, but never billed: ${JSON.stringify(line)}`);
}

/**
 * Machines that the cloud heard of as two jobs', by their tags. @throws where it never heard of one
 */
export async function holdersTwice(control: World['sandbox']['control']): Promise<string[]> {
  const holders = new Map<string, Set<string>>();
  for (const { action, params, status } of await control.calls()) {
    if (action !== 'TagResources' || status !== 200) continue;
    const tag = Object.keys(params).find((key) => params[key] === TAG.holder);
    const instanceId = params['ResourceId.1'];
    if (tag === undefined || instanceId === undefined) continue;
    const seen = holders.get(instanceId) ?? new Set();
    holders.set(instanceId, seen.add(params[tag.replace('.Key', '.Value')]!));
  }
  if (holders.size === 0) throw new Error('no job tagged a machine as its own');
  return [...holders].filter(([, names]) => names.size > 1).map(([id, names]) => `${id}: ${[...names].join(', ')}`);
}

/** Seconds by which one time is after the other. */
function late(time: string | undefined, other: string | undefined): number {
  return time === undefined ? Infinity : (Date.parse(time) - Date.parse(other ?? time)) / 1000;
}
