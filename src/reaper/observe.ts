import type { Cloud } from '../cloud/types';
import type { Engine } from '../engine/types';
import type { JobStatus } from '../gitlab/api';
import { idleSince, type BootTime } from '../host/boot-clock';
import { isSpareName, parseStackName, tagValue } from '../jobs/identity';
import type { FoundRecord, RecordStore } from '../jobs/record-store';
import { TAG, type JobRecord } from '../jobs/types';
import type { Observation } from './decide';

export interface ObserveDependencies {
  readonly cloud: Pick<Cloud, 'findInstances' | 'findSecurityGroups' | 'findKeyPairs'>;
  readonly engine: Pick<Engine, 'list'>;
  readonly store: Pick<RecordStore, 'list' | 'takerOf'>;
  readonly executorId: string;
  readonly stateDir: string;
  /** Undefined: nothing tells which. */
  readonly machine: string | undefined;
  /** A backend on this host's own disk: every stack in it is this host's. */
  readonly ownBackend: boolean;
  readonly now: () => number;
  /** The host's last start by the wall clock, for records that do not tell the kernel's time. */
  readonly bootMs: number;
  /** The kernel's time now; undefined: it does not tell. */
  readonly bootTime?: (() => BootTime | undefined) | undefined;
  /** Whether the process that the record names still works on the job. */
  readonly hookAlive: (record: JobRecord) => boolean;
  /** Whether a destroyer will still come to the record by itself. */
  readonly destroyerAlive: (record: JobRecord) => boolean;
  /** When the job's folder was last changed. */
  readonly folderChangedMs: (stackName: string) => number | undefined;
  /** Undefined: GitLab can't be asked about a job of that server. */
  readonly askGitLab: ((job: JobQuestion) => Promise<JobStatus>) | undefined;
  readonly warn: (line: string) => void;
}

export interface JobQuestion {
  readonly serverHost: string;
  /** Its id where that is known: a renamed project keeps it. */
  readonly project: number | string;
  readonly jobId: number;
}

/** One thing in the cloud under a stack's tag. */
interface Tagged {
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAt: string;
  readonly autoReleaseTime?: string | undefined;
}

/** Asked at once of GitLab: it is one light host. */
const GITLAB_QUESTIONS = 4;

/**
 * Collects everything that exists: all stacks of jobs and spares in the backend, everything in the
 * cloud with our tags, all job folders of this host, each with GitLab's status if it can be had. A
 * spare that a job has taken counts as the job's, under the job's name.
 * @throws CloudRefused, CloudUnreachable, EngineFailed: no decision is made on half the facts
 */
export async function observe(dependencies: ObserveDependencies): Promise<readonly Observation[]> {
  const { cloud, engine, store } = dependencies;
  const before = new Map(store.list().map((found) => [found.stackName, found]));
  const ofKind = async <T>(find: (tags: Readonly<Record<string, string>>) => Promise<readonly T[]>): Promise<T[]> =>
    (await Promise.all(['job', 'spare'].map((kind) => find({ [TAG.kind]: kind })))).flat();
  const [stacks, instances, ...others] = await Promise.all([
    engine.list(),
    ofKind((tags) => cloud.findInstances(tags)),
    ofKind((tags) => cloud.findSecurityGroups(tags)),
    ofKind((tags) => cloud.findKeyPairs(tags)),
  ]);
  // Read the records again: a job that has just begun writes its record before its stack, and a job
  // whose record is gone was destroyed meanwhile.
  const folders = new Map(store.list().map((found) => [found.stackName, found]));
  const ownerName = namesOfOwners([...before.values(), ...folders.values()], folders, instances);
  const tagged = groupByStack([...instances, ...others.flat()], ownerName);
  const stackByName = new Map(
    stacks.filter(({ name }) => isOurName(name)).map((stack) => [ownerName(stack.name), stack]),
  );
  const names = [...new Set([...stackByName.keys(), ...tagged.keys(), ...folders.keys()])]
    .filter((name) => folders.has(name) || !before.has(name))
    .sort();
  return inTurns(names, GITLAB_QUESTIONS, async (stackName) => {
    const { record, problem } = folders.get(stackName) ?? {};
    const inCloud = tagged.get(stackName) ?? [];
    const stack = stackByName.get(stackName);
    const seen = {
      stackName,
      owner: ownerOf(inCloud, folders.get(stackName), dependencies),
      inBackend: stack !== undefined,
      inCloud: inCloud.length,
      instances: instances.filter(({ tags }) => ownerName(tags[TAG.stack] ?? '') === stackName),
      tags: inCloud[0]?.tags,
      ageMs: ageOf(
        [
          ...inCloud.map(({ createdAt }) => Date.parse(createdAt)),
          Date.parse(stack?.lastUpdate ?? ''),
          dependencies.folderChangedMs(stackName) ?? NaN,
        ],
        dependencies.now(),
      ),
      overdue: inCloud.some(
        ({ autoReleaseTime }) => autoReleaseTime !== undefined && Date.parse(autoReleaseTime) < dependencies.now(),
      ),
      record,
      unreadable: problem,
      holder: holderOf(stackName, folders, store),
      worker: record && workerOf(record, dependencies),
      idle: record && idleOf(record, dependencies),
    };
    return { ...seen, gitlab: await jobStatus(seen, dependencies) };
  });
}

function isOurName(name: string): boolean {
  return parseStackName(name) !== undefined || isSpareName(name);
}

/**
 * Whose a stack is by now: a spare machine's is the job's that was handed it, as the job's record
 * or the instance's tags tell.
 */
function namesOfOwners(
  found: readonly FoundRecord[],
  folders: ReadonlyMap<string, FoundRecord>,
  instances: readonly Tagged[],
): (stackName: string) => string {
  const owners = new Map<string, string>();
  for (const { tags } of instances) {
    const { [TAG.stack]: made, [TAG.holder]: holder } = tags;
    if (made !== undefined && holder !== undefined && parseStackName(holder)) owners.set(made, holder);
  }
  for (const { record } of found) if (record?.spare) owners.set(record.spare.stackName, record.identity.stackName);
  // Until it is handed over it has a record of its own.
  return (stackName) => (folders.has(stackName) ? stackName : (owners.get(stackName) ?? stackName));
}

/** `nobody`: who took it is gone. */
function holderOf(
  stackName: string,
  folders: ReadonlyMap<string, FoundRecord>,
  store: Pick<RecordStore, 'takerOf'>,
): Observation['holder'] {
  if (!isSpareName(stackName)) return undefined;
  const taker = store.takerOf(stackName);
  return taker === undefined || taker === stackName || folders.has(taker) ? taker : 'nobody';
}

function groupByStack(things: readonly Tagged[], ownerName: (name: string) => string): Map<string, Tagged[]> {
  const groups = new Map<string, Tagged[]>();
  for (const thing of things) {
    const name = ownerName(thing.tags[TAG.stack] ?? '');
    if (!isOurName(name)) continue;
    const group = groups.get(name);
    if (group) group.push(thing);
    else groups.set(name, [thing]);
  }
  return groups;
}

function ownerOf(
  inCloud: readonly Tagged[],
  folder: FoundRecord | undefined,
  { executorId, stateDir, machine, ownBackend }: ObserveDependencies,
): Observation['owner'] {
  const tags = inCloud.map((one) => one.tags).find((one) => one[TAG.executor] !== undefined);
  const { [TAG.executor]: owner, [TAG.stateDir]: theirFolder } = tags ?? {};
  // What an earlier version made tells no machine.
  const theirMachine = tags?.[TAG.machine] ?? folder?.record?.machine ?? machine;
  if (machine !== undefined && theirMachine !== machine) {
    const name = owner ?? folder?.record?.executorId ?? executorId;
    return { kind: 'other-host', executorId: `${name} on machine ${theirMachine}`, isNamesake: name === executorId };
  }
  const sameFolder = theirFolder === undefined || theirFolder === tagValue(stateDir);
  if (folder || (owner === executorId && sameFolder)) return { kind: 'this-host' };
  if (owner !== undefined)
    return {
      kind: 'other-host',
      executorId: owner === executorId ? `${owner} with state folder ${theirFolder}` : owner,
    };
  return ownBackend ? { kind: 'this-host' } : { kind: 'unknown' };
}

/** Since the newest of these times. */
function ageOf(times: readonly number[], nowMs: number): number | undefined {
  const known = times.filter((time) => !Number.isNaN(time));
  return known.length === 0 ? undefined : Math.max(0, nowMs - Math.max(...known));
}

function workerOf(record: JobRecord, { hookAlive, destroyerAlive }: ObserveDependencies): Observation['worker'] {
  if (record.phase === 'destroying') return destroyerAlive(record) ? 'destroyer' : undefined;
  return hookAlive(record) ? 'hook' : undefined;
}

function idleOf(record: JobRecord, { bootMs, bootTime, now }: ObserveDependencies): Observation['idle'] {
  const here = bootTime?.();
  if (here && record.writtenAt) return idleSince(record.writtenAt, here);
  const at = Date.parse(record.heartbeatAt);
  return at < bootMs ? 'before-boot' : { ms: Math.max(0, now() - at) };
}

async function jobStatus(
  { record, worker, stackName, tags }: Pick<Observation, 'record' | 'worker' | 'stackName' | 'tags'>,
  { askGitLab, now, warn }: ObserveDependencies,
): Promise<Observation['gitlab']> {
  const question = record
    ? {
        serverHost: record.identity.serverHost,
        project: record.projectId ?? record.project,
        jobId: record.identity.jobId,
      }
    : tags && {
        serverHost: tags[TAG.server] ?? '',
        project: Number(tags[TAG.projectId]) || (tags[TAG.project] ?? ''),
        jobId: Number(tags[TAG.job]),
      };
  // Where the answer changes nothing GitLab is spared the question.
  if (!askGitLab || !question || worker || record?.phase === 'destroying' || question.project === '')
    return { state: 'unknown' };
  try {
    const word = await askGitLab(question);
    if (word.state === 'active') return { state: 'running' };
    if (word.state === 'missing') return { state: 'over', sinceMs: Infinity };
    return { state: 'over', sinceMs: word.finishedAt ? Math.max(0, now() - word.finishedAt.getTime()) : 0 };
  } catch (error) {
    warn(`${stackName}: ${(error as Error).message}; going by the record`);
    return { state: 'unknown' };
  }
}

/** All of them, at most so many at a time, results in order. */
async function inTurns<In, Out>(
  items: readonly In[],
  atOnce: number,
  work: (item: In) => Promise<Out>,
): Promise<Out[]> {
  const results: Out[] = new Array<Out>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index]!);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
