import { formatDuration } from '../../duration';
import { instanceOf } from '../../jobs/transitions';
import type { JobRecord } from '../../jobs/types';
import type { CommandContext } from '../command';
import { jsonText } from '../../printable';
import { defineCommand } from '../command';
import { costSoFar, recordForScripts } from '../so-far';
import { table } from '../table';

interface CommandLine {
  readonly action: 'ls' | 'fill' | 'drain';
  readonly json: boolean;
}

export const sparesCommand = defineCommand<CommandLine>({
  command: 'spares <action>',
  describe: 'Machines that wait for a job: list them, make what the page wants, or end them all',
  builder: (yargs) =>
    yargs
      .positional('action', {
        choices: ['ls', 'fill', 'drain'] as const,
        describe: 'ls: list; fill: make those that are missing; drain: end all, and make none until fill',
      })
      .options({ json: { type: 'boolean', default: false, describe: 'As JSON, for scripts' } }) as never,
  needs: { cloud: true },
  async run({ action, json }, context) {
    if (action === 'ls') return list(json, context);
    return keep(action === 'drain', json, context);
  },
});

const HOST_DRAINED = 'This host takes no jobs: no spare machine is made until `gitlab-spot drain --undo`';

/** @returns the exit code */
async function keep(drained: boolean, json: boolean, { settings, out, warn, signal }: CommandContext): Promise<number> {
  const [{ keepSpares }, { keeperDependencies }, { setDrained, wantsNone }] = await Promise.all([
    import('../../spares/keep'),
    import('../../composition/spares'),
    import('../../spares/drained'),
  ]);
  setDrained(settings, drained);
  if (!drained && wantsNone(settings)) warn(HOST_DRAINED);
  const kept = await keepSpares(keeperDependencies(settings, warn, signal));
  if (!kept) {
    warn('Another keeper is at work on this host; it sees the change in its next round');
    if (json) out(`${jsonText({ made: [], gone: [], failed: [] })}\n`);
    return 0;
  }
  if (json) out(`${jsonText(kept)}\n`);
  else out(`${kept.made.length} made, ${kept.gone.length} ended\n`);
  return kept.failed.length > 0 ? 3 : 0;
}

async function list(json: boolean, { settings, out }: CommandContext): Promise<void> {
  const [{ RecordStore }, { isDrained, wantsNone }] = await Promise.all([
    import('../../jobs/record-store'),
    import('../../spares/drained'),
  ]);
  const store = new RecordStore(settings.stateDir);
  const spares = store
    .spares()
    .sort((a, b) => a.startedAt.localeCompare(b.startedAt))
    .map((record) => ({ record, taker: store.takerOf(record.identity.stackName) }));
  if (json) return out(`${jsonText(spares.map(forScripts))}\n`);
  if (isDrained(settings)) out('Drained: none are made until `gitlab-spot spares fill`.\n');
  else if (wantsNone(settings)) out(`${HOST_DRAINED}.\n`);
  if (spares.length === 0) return out('No spare machine is on this host.\n');
  const columns = ['stack', 'phase', 'profile', 'type', 'zone', 'for', 'until (UTC)', 'cost'];
  out(
    table(
      columns.map((title) => ({
        title,
        align: ['cost', 'for'].includes(title) ? ('right' as const) : 'left',
        spare: ['until (UTC)', 'for', 'type', 'zone'].indexOf(title) + 1,
      })),
      spares.map(({ record, taker }) => [
        record.identity.stackName,
        phaseOf(record, taker),
        record.profile,
        instanceOf(record)?.pool.instanceType ?? '–',
        instanceOf(record)?.pool.zoneId ?? '–',
        formatDuration(Date.now() - Date.parse(record.startedAt)),
        record.phase === 'spare' ? record.until.slice(11, 16) : '–',
        costSoFar(record) ?? '–',
      ]),
    ),
  );
}

function phaseOf({ phase, identity }: JobRecord, taker: string | undefined): string {
  if (phase !== 'spare') return phase;
  if (taker === undefined) return 'waiting';
  return taker === identity.stackName ? 'going' : `taken by ${taker}`;
}

function forScripts({ record, taker }: { record: JobRecord; taker: string | undefined }) {
  return { ...recordForScripts(record), taker };
}
