import type { Cloud } from '../cloud/types';
import type { Engine } from '../engine/types';
import { TAG } from '../jobs/types';
import { builderOf, forgetBuilder } from '../images/at-work';
import { IMAGE_STACK } from '../images/build';
import { inTurn } from './in-turn';

/** No build takes longer; the instance's own release time ends it then too. Milliseconds. */
export const LONGEST_BUILD_MS = 3 * 3600_000;

/**
 * Destroys what image builds left behind that were killed: their process is dead, or the time in
 * the stack's name is long past.
 * @returns the stacks' names
 * @throws CloudRefused, CloudUnreachable; EngineFailed of the first that could not be destroyed, once
 * all were tried
 */
export async function endStaleBuilds(dependencies: {
  readonly cloud: Pick<Cloud, 'findInstances'>;
  readonly engine: Pick<Engine, 'list' | 'destroy'>;
  readonly executorId: string;
  readonly machine: string | undefined;
  readonly stateDir: string;
  readonly nowMs: number;
  readonly log: (line: string) => void;
}): Promise<readonly string[]> {
  const { cloud, engine, executorId, machine, stateDir, nowMs, log } = dependencies;
  const instances = await cloud.findInstances({ [TAG.kind]: 'image', [TAG.executor]: executorId });
  const names = [
    ...instances
      .filter(({ tags }) => machine === undefined || (tags[TAG.machine] ?? machine) === machine)
      .map(({ tags }) => tags[TAG.stack] ?? ''),
    ...(await engine.list()).map(({ name }) => name),
  ];
  const isStale = (name: string): boolean => {
    const since = startedMs(name);
    if (since === undefined) return false;
    const builder = builderOf(stateDir, name);
    // A clock that was set forward makes no build long.
    return builder === 'dead' || (builder === 'unknown' && nowMs - since > LONGEST_BUILD_MS);
  };
  const stale = [...new Set(names)].filter(isStale);
  const end = async (name: string): Promise<void> => {
    log(`Destroying ${name}, which a killed image build left behind`);
    await engine.destroy(name, { log });
    forgetBuilder(stateDir, name);
  };
  await inTurn(log, ...stale.map((name) => () => end(name)));
  return stale;
}

function startedMs(stackName: string): number | undefined {
  const stamp = new RegExp(`^${IMAGE_STACK}.+-(\\d{4})(\\d\\d)(\\d\\d)(\\d\\d)(\\d\\d)(\\d\\d)$`).exec(stackName);
  if (!stamp) return undefined;
  const [year, month, day, hour, minute, second] = stamp.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second);
}
