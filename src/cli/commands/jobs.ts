import { setTimeout as sleep } from 'node:timers/promises';
import { causeOfEntry, outcomeOfEntry } from '../../billing/outcome';
import type { LedgerEntry } from '../../billing/types';
import { namedIn, unitOf } from '../../currency';
import { formatDuration } from '../../duration';
import { ConfigurationError, HostError } from '../../errors';
import type { RecordStore } from '../../jobs/record-store';
import { isSpareName } from '../../jobs/identity';
import { stageOf } from '../../jobs/stage-of';
import { instanceOf, removed } from '../../jobs/transitions';
import type { InstanceFacts, JobRecord } from '../../jobs/types';
import { useOf, useText } from '../../jobs/use';
import type { CommandContext } from '../command';
import { jsonText } from '../../printable';
import { defineCommand } from '../command';
import { endedJobs, entriesNamed, linesOf } from '../ended-jobs';
import { findJob } from '../find-job';
import { costSoFar, recordForScripts } from '../so-far';
import { table, type Column } from '../table';

interface CommandLine {
  readonly action: 'ls' | 'show' | 'rm';
  readonly stack: string | undefined;
  readonly force: boolean;
  readonly all: boolean;
  readonly days: number;
  readonly watch: boolean;
  readonly json: boolean;
}

export const jobsCommand = defineCommand<CommandLine>({
  command: 'jobs [action] [stack]',
  describe: 'What runs on this host, where, since when, for whom, at what cost',
  builder: (yargs) =>
    yargs
      .positional('action', {
        choices: ['ls', 'show', 'rm'] as const,
        default: 'ls',
        describe: 'List all, show one (also one that has ended), or destroy one',
      })
      .positional('stack', {
        type: 'string',
        describe: "The job's number, or the stack's name as `jobs ls` and `pulumi stack ls` print it",
      })
      .options({
        force: { type: 'boolean', default: false, describe: 'rm: also a job that still runs' },
        all: { type: 'boolean', default: false, describe: 'ls: also jobs that have ended, from the ledger' },
        days: { type: 'number', default: 7, describe: 'ls --all: of so many days' },
        watch: { type: 'boolean', alias: 'w', default: false, describe: 'ls: again every 2 seconds, until Ctrl-C' },
        json: { type: 'boolean', default: false, describe: 'As JSON, for scripts' },
      }) as never,
  needs: { cloud: false, host: true },
  async run({ action, stack, force, json, all, days, watch }, context) {
    const { RecordStore } = await import('../../jobs/record-store');
    const store = new RecordStore(context.settings.stateDir);
    if (!(Number.isInteger(days) && days >= 1 && days <= 366))
      throw new ConfigurationError(`--days takes a whole number from 1 to 366, not ${days}`);
    if (action === 'ls') {
      const once = async () => list(store, json, all ? await ended(context, days) : [], context);
      return watch ? repeat(once, context) : once();
    }
    if (stack === undefined)
      throw new ConfigurationError(`\`gitlab-spot jobs ${action}\` takes a job's number or the name of its stack`, {
        remedy: '`gitlab-spot jobs ls` lists them.',
      });
    if (action === 'show') {
      if (store.read(stack) ?? store.list().some(({ record }) => String(record?.identity.jobId) === stack))
        return show(findJob(store, stack), json, context);
      const entries = entriesNamed(await ended(context, SHOWN_DAYS), stack);
      return entries.length > 0 ? showEnded(entries, json, context) : void findJob(store, stack);
    }
    await remove(findJob(store, stack), force, context);
  },
});

/** So far back `jobs show` looks for a job that has ended. */
const SHOWN_DAYS = 62;
const WATCH_MS = 2_000;

async function ended({ settings }: CommandContext, days: number): Promise<readonly LedgerEntry[]> {
  const { ledgerOf } = await import('../../billing/budget-check');
  return endedJobs(ledgerOf(settings), days, Date.now());
}

/** At a terminal each list takes the place of the one before. */
async function repeat(once: () => Promise<void>, { out, terminal, signal }: CommandContext): Promise<void> {
  for (;;) {
    if (terminal) out('\x1b[H\x1b[2J');
    await once();
    await sleep(WATCH_MS, undefined, { signal });
  }
}

function showEnded(entries: readonly LedgerEntry[], json: boolean, { out }: CommandContext): void {
  if (json) return out(`${jsonText(lastForScripts(entries))}\n`);
  out(entries.map((entry) => table([{ title: '' }, { title: '' }], linesOf(entry)).replace(/^\n/, '')).join('\n'));
}

/** One object, as of a job that runs: its last instance, with those before it. */
function lastForScripts(entries: readonly LedgerEntry[]) {
  const [last, ...earlier] = entries.map(endedForScripts).reverse();
  return { ...last, ...(earlier.length > 0 && { earlier: earlier.reverse() }) };
}

function endedForScripts(entry: LedgerEntry) {
  return namedIn(entry.currency, { ...entry, phase: 'ended' });
}

function list(
  store: RecordStore,
  json: boolean,
  past: readonly LedgerEntry[],
  { out, warn }: Pick<CommandContext, 'out' | 'warn'>,
): void {
  const found = store.list();
  for (const { stackName, problem } of found)
    if (problem) warn(`The record of ${stackName} can't be read (${problem}), so it is left out`);
  const records = found.flatMap(({ record }) => record ?? []).sort((a, b) => a.startedAt.localeCompare(b.startedAt));
  if (json) return out(`${jsonText([...past.map(endedForScripts), ...records.map(recordForScripts)])}\n`);
  if (records.length + past.length === 0) return out('No job runs on this host.\n');
  out(
    table(COLUMNS, [
      ...past.map((entry) => [
        entry.stack,
        outcomeOfEntry(entry),
        causeOfEntry(entry),
        entry.project,
        entry.jobName,
        entry.userLogin,
        entry.instanceType,
        entry.zoneId,
        formatDuration(entry.seconds * 1000),
        `${entry.yuan.toFixed(4)} ${unitOf(entry.currency)}`,
      ]),
      ...records.map((record) => [
        record.identity.stackName,
        isKept(record) ? 'kept' : record.phase,
        stageOf(record),
        isSpareName(record.identity.stackName) ? '(spare)' : record.project,
        record.jobName,
        record.userLogin,
        instanceOf(record)?.pool.instanceType ?? '–',
        instanceOf(record)?.pool.zoneId ?? '–',
        formatDuration(Date.now() - Date.parse(record.startedAt)),
        costSoFar(record) ?? '–',
      ]),
    ]),
  );
}

const COLUMNS: readonly Column[] = [
  { title: 'stack' },
  { title: 'phase' },
  { title: 'stage', spare: 1 },
  { title: 'project', spare: 3 },
  { title: 'job' },
  { title: 'user', spare: 4 },
  { title: 'type', spare: 5 },
  { title: 'zone', spare: 6 },
  { title: 'for', align: 'right', spare: 2 },
  { title: 'cost', align: 'right' },
];

function show(record: JobRecord, json: boolean, { out }: CommandContext): void {
  if (json) return out(`${jsonText(recordForScripts(record))}\n`);
  const instance = instanceOf(record);
  const use = useOf(record);
  const lines: (readonly [string, string | undefined])[] = [
    ['stack', record.identity.stackName],
    [
      'job',
      `${record.jobName} (${record.identity.jobId}, attempt ${record.identity.attempt}) of ${record.project} at ${record.ref}`,
    ],
    ['for', record.userLogin],
    ['phase', record.phase],
    ['now', stageOf(record) || undefined],
    ['spare', record.spare && `made as ${record.spare.stackName}, taken at ${record.spare.claimedAt}`],
    ['since', record.startedAt],
    ['profile', record.profile],
    [
      'instance',
      instance &&
        `${instance.instanceId}, ${instance.pool.instanceType} in ${instance.pool.zoneId} (${instance.pool.market})`,
    ],
    [
      'address',
      instance && instance.address !== '' ? `${instance.sshUser}@${instance.address}:${instance.sshPort}` : undefined,
    ],
    ['price', instance && priceOf(instance)],
    ['cost', costSoFar(record) && `${costSoFar(record)} so far`],
    ['used', use && `${useText(use)} (as the instance says)`],
    ['released', record.releaseAt && `${record.releaseAt} at the latest`],
    ['lost', record.phase === 'lost' ? record.loss.sentence : undefined],
    ['kept until', record.phase === 'destroying' ? record.notBefore : undefined],
    ...record.tried.map(
      ({ pool, code }) => ['tried', `${pool.instanceType} in ${pool.zoneId} (${pool.market}): ${code}`] as const,
    ),
    ...record.stages.map(
      ({ stage, durationMs, exitCode }) =>
        [
          'stage',
          `${stage}: ${exitCode === undefined ? 'not ended' : `exit ${exitCode}`}, ${formatDuration(durationMs)}`,
        ] as const,
    ),
  ];
  out(
    table(
      [{ title: '' }, { title: '' }],
      lines.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ).replace(/^\n/, ''),
  );
}

async function remove(record: JobRecord, force: boolean, { settings, out, warn }: CommandContext): Promise<void> {
  const { stackName } = record.identity;
  if (record.phase !== 'destroying' && !force) {
    throw new ConfigurationError(`${stackName} is ${record.phase}: its job would fail`, {
      remedy: 'Add --force to destroy it all the same, or cancel the job in GitLab.',
    });
  }
  const [{ audit }, { destroyRecorded }, { destroyerDependencies }] = await Promise.all([
    import('../../audit/log'),
    import('../../teardown/destroyer'),
    import('../../composition/teardown'),
  ]);
  const dependencies = destroyerDependencies(settings, warn);
  const act = { action: 'jobs rm', target: stackName, detail: `${record.phase}, job of ${record.project}` } as const;
  if (!audit(settings.stateDir, act)) warn('This could not be written to the audit log');
  const doomed = removed(record, Date.now());
  if (record.phase === 'spare' && !dependencies.store.take(stackName, stackName))
    throw new ConfigurationError(`${stackName} was taken by ${dependencies.store.takerOf(stackName) ?? 'somebody'}`, {
      remedy: '`gitlab-spot jobs ls` shows the job that has it.',
    });
  dependencies.store.write(doomed);
  await destroyRecorded(doomed, dependencies);
  if (dependencies.store.readLenient(stackName))
    throw new HostError(`${stackName} could not be destroyed`, { remedy: '`gitlab-spot reap` tries again.' });
  out(`${stackName} is destroyed\n`);
}

/** Failed, and its instance waits for a look (SPOT_DEBUG_KEEP). */
function isKept(record: JobRecord): boolean {
  return record.phase === 'destroying' && Date.parse(record.notBefore ?? '') > Date.now();
}

function priceOf({ priceYuanPerHour, onDemandYuanPerHour, diskYuanPerHour, currency }: InstanceFacts): string {
  const disk = diskYuanPerHour === undefined ? '' : `, disk ${diskYuanPerHour}`;
  return `${priceYuanPerHour} ${unitOf(currency)}/h${disk} (pay-as-you-go ${onDemandYuanPerHour})`;
}
