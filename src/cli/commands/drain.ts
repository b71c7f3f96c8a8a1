import { setTimeout as sleep } from 'node:timers/promises';
import { HostError } from '../../errors';
import { isSpareName } from '../../jobs/identity';
import type { RecordStore } from '../../jobs/record-store';
import { counted } from '../../plural';
import { defineCommand } from '../command';
import { durationOption } from '../duration-option';

interface CommandLine {
  readonly undo: boolean;
  readonly wait: string;
}

const LOOK_AGAIN_MS = 1_000;

export const drainCommand = defineCommand<CommandLine>({
  command: 'drain',
  describe: 'Take no new jobs, and wait until those that run are over, and all machines gone',
  builder: (yargs) =>
    yargs
      .options({
        undo: { type: 'boolean', default: false, describe: 'Take jobs again' },
        wait: { type: 'string', default: '4h', describe: 'So long at most; 0 does not wait' },
      })
      .epilogue(
        'Pause the runner in GitLab first, so that it hands jobs to other runners: a drained host refuses them.',
      ) as never,
  needs: { cloud: false, host: true },
  async run({ undo, wait }, { settings: { stateDir }, out, warn, signal }) {
    const limitMs = durationOption('--wait', wait, '30m or 4h');
    const [{ audit }, { drain, undrain }, { RecordStore }] = await Promise.all([
      import('../../audit/log'),
      import('../../jobs/drain'),
      import('../../jobs/record-store'),
    ]);
    if (undo) {
      undrain(stateDir);
      audit(stateDir, { action: 'drain undone' });
      return out('This host takes jobs again. Resume its runner in GitLab.\n');
    }
    drain(stateDir, Date.now());
    audit(stateDir, { action: 'drain' });
    warn('This host takes no new jobs. Pause its runner in GitLab, or they are refused as system failures.');
    if (limitMs === 0) return;
    await idle(new RecordStore(stateDir), { limitMs, wait, warn, signal });
    out('Drained: no job runs here, and no stack of one is left.\n');
  },
});

interface Waiting {
  readonly limitMs: number;
  readonly wait: string;
  readonly warn: (line: string) => void;
  readonly signal: AbortSignal;
}

/** @throws HostError at the limit; the host stays drained */
async function idle(store: RecordStore, { limitMs, wait, warn, signal }: Waiting): Promise<void> {
  const startMs = Date.now();
  let told = '';
  for (;;) {
    const left = leftOf(store);
    if (left === undefined) return;
    if (left !== told) warn(`Waiting for ${left} (limit ${wait})`);
    told = left;
    if (Date.now() - startMs > limitMs)
      throw new HostError(`Not drained within ${wait}: ${left}`, {
        remedy: 'The host stays drained: run it again, or end them with `gitlab-spot jobs rm --force`.',
      });
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  }
}

/** Undefined: nothing. */
function leftOf(store: RecordStore): string | undefined {
  const found = store.list().filter(({ record, problem }) => record !== undefined || problem !== undefined);
  const over = found.filter(({ record }) => record?.phase === 'destroying').length;
  const spares = found.filter(
    ({ stackName, record }) => isSpareName(stackName) && record?.phase !== 'destroying',
  ).length;
  if (found.length === 0) return undefined;
  const counts: readonly Parameters<typeof counted>[] = [
    [found.length - over - spares, 'job that runs', 'jobs that run'],
    [spares, 'spare machine, which the reaper’s next round ends', 'spare machines, which the reaper’s next round ends'],
    [over, 'stack to be destroyed', 'stacks to be destroyed'],
  ];
  return counts
    .filter(([count]) => count !== 0)
    .map((count) => counted(...count))
    .join(' and ');
}
