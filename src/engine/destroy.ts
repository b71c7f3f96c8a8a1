import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod/mini';
import type { Cloud } from '../cloud/types';
import { HostError } from '../errors';
import { TAG } from '../jobs/types';
import { parsedAs } from '../schema';
import { bringToRest } from './at-rest';
import { removeFolders, removeStackFiles } from './backend-folders';
import type { CliResult, PulumiCli } from './cli';
import { failureOf } from './diagnostics';
import { EngineFailed } from './errors';
import { isStale, locksIn } from './locks';
import { removeStack, type Removal } from './remove-stack';
import { endOrphanedPlugins } from './orphans';
import { deleteInstances, deleteLeftovers } from './sweep';
import type { Destroyed, DestroyOptions } from './types';
import { ensureWorkDir, PROJECT } from './workspace';

export interface DestroyDependencies {
  readonly cli: PulumiCli;
  readonly cloud: Cloud;
  /** The job's work dir; an empty one does as well. */
  readonly directory: string;
  readonly backendUrl: string;
  /** How often late comers are looked for; left out: every 5 s. */
  readonly lookMs?: number;
}

/** @see Engine.destroy */
export async function destroy(
  stackName: string,
  options: DestroyOptions,
  dependencies: DestroyDependencies,
): Promise<Destroyed> {
  const { cloud, directory, cli } = dependencies;
  const { madeAs = stackName } = options;
  ensureWorkDir(directory);
  await bringToRest(directory, options);
  // A provider that outlived its CLI may be about to create something that no state would name.
  endOrphanedPlugins(dependencies.backendUrl);
  const instanceGoneAt = await deleteInstances(cloud, madeAs, options);
  if (instanceGoneAt) options.onInstanceGone?.(instanceGoneAt);
  // A renaming that was cut off leaves both.
  const names = [...new Set([stackName, madeAs])];
  const damaged: string[] = [];
  for (const name of names) {
    const call = withoutStaleLock(name, (args) => cli.run({ args, directory, signal: options.signal }));
    const removal = { call, backendUrl: dependencies.backendUrl };
    const state = await withoutLateComers(madeAs, options, dependencies, () => destroyStack(name, call));
    if (state === 'unreadable') await forgetUnreadable(name, madeAs, removal, cloud, options.log);
    else if (state === 'destroyed') await removed(name, removal);
    else if (state === 'damaged') damaged.push(name);
  }
  await deleteLeftovers(cloud, madeAs, options.log);
  for (const name of damaged) removeDamaged(name, dependencies.backendUrl, options.log);
  for (const name of names) removeFolders(name, dependencies.backendUrl);
  return { instanceGoneAt };
}

type Call = Removal['call'];

/**
 * `unreadable`: it was made with another passphrase; `damaged`: the CLI can neither destroy nor
 * remove it. Needs no program, so the CLI is called without the Automation API: 80 MB and 0.5 s
 * less.
 */
async function destroyStack(
  stackName: string,
  call: Call,
): Promise<'destroyed' | 'missing' | 'unreadable' | 'damaged'> {
  const result = await call(['destroy', '--yes', '--skip-preview', '--stack', stackName]);
  if (result.exitCode === 0) return 'destroyed';
  if (isMissing(result)) return 'missing';
  if (isDamaged(result)) return 'damaged';
  if (/incorrect passphrase/i.test(result.stderr)) return 'unreadable';
  throw asError('destroy', result);
}

/**
 * Any call may be the first to meet the lock: with a wrong passphrase, `destroy` reports the
 * passphrase alone.
 */
function withoutStaleLock(stackName: string, call: Call): Call {
  return async (args) => {
    const result = await call(args);
    const locks = isLocked(result) ? locksIn(result.stderr) : [];
    const isOwnerGone = locks.length > 0 && locks.every((lock) => isStale(lock, stackName, Date.now()));
    // A lock that can't be read was cut short together with the process that wrote it.
    if (!isOwnerGone && !isLockUnreadable(result)) return result;
    await call(['cancel', '--yes', stackName]);
    return call(args);
  };
}

/**
 * A creation that was under way when its CLI was killed may show up in the cloud only now. With it
 * there the engine would wait ten minutes for its security group, and then fail (docs/pulumi.md).
 */
async function withoutLateComers<T>(
  madeAs: string,
  options: DestroyOptions,
  { cloud, lookMs = 5_000 }: DestroyDependencies,
  work: () => Promise<T>,
): Promise<T> {
  const done = new AbortController();
  const look = async (): Promise<void> => {
    for (;;) {
      await sleep(lookMs, undefined, { signal: done.signal });
      const goneAt = await deleteInstances(cloud, madeAs, options);
      if (goneAt) options.onInstanceGone?.(goneAt);
    }
  };
  // If the cloud can't be asked, let the engine report it.
  const looking = look().catch(() => undefined);
  try {
    return await work();
  } finally {
    done.abort();
    await looking;
  }
}

/**
 * The passphrase does not fit: it was on a disk that is lost, or the setting is wrong. Every
 * resource of the job is found by its tag and deleted. The state is removed only if it names
 * nothing else, so nothing is lost with it.
 */
async function forgetUnreadable(
  stackName: string,
  madeAs: string,
  removal: Removal,
  cloud: Cloud,
  log: (line: string) => void,
): Promise<void> {
  await deleteLeftovers(cloud, madeAs, log);
  const exported = await removal.call(['stack', 'export', '--stack', stackName]);
  // Somebody else was at it too.
  if (isMissing(exported)) return;
  if (exported.exitCode !== 0) throw asError('stack export', exported);
  const others = resourcesIn(exported.stdout).filter((resource) => !goesByTag(resource, madeAs));
  if (others.length > 0)
    throw new EngineFailed(
      `The passphrase does not fit stack ${stackName}. Its state names resources that can't be found by tag (${others.map(({ type }) => type).join(', ')}), so the stack stays`,
      {
        remedy:
          'Give the passphrase that it was made with (PULUMI_CONFIG_PASSPHRASE_FILE); ' +
          `or see in the console that these are gone, and run \`pulumi stack rm --force ${stackName}\`.`,
      },
    );
  log('The passphrase does not fit; all that the state names was found by its tag and is gone, so the state goes too');
  await removed(stackName, removal);
}

const resourceSchema = z.object({
  type: z.string(),
  inputs: z.optional(z.object({ tags: z.optional(z.record(z.string(), z.unknown())) })),
});
const exportSchema = z.object({
  deployment: z.object({
    resources: z.optional(z.array(resourceSchema)),
    pending_operations: z.optional(z.array(z.object({ resource: resourceSchema }))),
  }),
});
type StateResource = z.infer<typeof resourceSchema>;

/** What the sweep finds; a rule goes with its group. */
function goesByTag({ type, inputs }: StateResource, madeAs: string): boolean {
  if (type === 'alicloud:ecs/securityGroupRule:SecurityGroupRule') return true;
  return /^alicloud:ecs\/(instance|securityGroup|keyPair):/.test(type) && inputs?.tags?.[TAG.stack] === madeAs;
}

/** The real resources that a stack's state names. @throws EngineFailed */
function resourcesIn(json: string): StateResource[] {
  const parsed = parsedAs(exportSchema, json);
  if (parsed === undefined) throw new EngineFailed('`pulumi stack export` does not answer with a state');
  const { resources = [], pending_operations = [] } = parsed.deployment;
  const all = [...resources, ...pending_operations.map(({ resource }) => resource)];
  return all.filter(({ type }) => !type.startsWith('pulumi:'));
}

async function removed(stackName: string, removal: Removal): Promise<void> {
  const result = await removeStack(stackName, removal);
  if (result && result.exitCode !== 0 && !isMissing(result)) throw asError('stack rm', result);
}

function isLocked(result: CliResult): boolean {
  return result.exitCode !== 0 && /the stack is currently locked by|\[409\] Conflict/.test(result.stderr);
}

function isMissing(result: CliResult): boolean {
  return result.exitCode !== 0 && /no stack named .* found/.test(result.stderr);
}

/**
 * Go's words for a file that is not the JSON that it should be: cut off by a full disk or a crash.
 */
const NO_JSON = /^(?:place \d+: )?(?:invalid character|unexpected end of JSON input|json: cannot unmarshal)/;

/**
 * The checkpoint is there and is none. One of a newer CLI, or a backend that does not answer, is
 * another matter.
 */
function isDamaged(result: CliResult): boolean {
  return (
    result.exitCode !== 0 &&
    errorsOf(result).some((text) => {
      const [, cause] = /^failed to load checkpoint: (.*)$/.exec(text) ?? [];
      return cause !== undefined && NO_JSON.test(cause);
    })
  );
}

/** The CLI stumbles over a lock before it says that there is one. */
function isLockUnreadable(result: CliResult): boolean {
  return result.exitCode !== 0 && errorsOf(result).some((text) => NO_JSON.test(text));
}

function errorsOf({ stderr }: CliResult): string[] {
  return [...stderr.matchAll(/^error: (.*)$/gm)].map((match) => match[1]!);
}

/** @throws HostError where only a person can remove it: not in a folder of this host. */
function removeDamaged(stackName: string, backendUrl: string, log: (line: string) => void): void {
  if (!backendUrl.startsWith('file://')) {
    const key = `.pulumi/stacks/${PROJECT}/${stackName}.json`;
    throw new HostError(`The state of stack ${stackName} can't be read, although nothing of what it made is left`, {
      remedy: `Remove ${key} from ${backendUrl.split('?')[0]}.`,
    });
  }
  log(`The state of stack ${stackName} can't be read: its file is removed, since nothing of what it made is left`);
  removeStackFiles(stackName, backendUrl);
}

function asError(verb: string, result: CliResult): Error {
  return failureOf({ verb, diagnostics: [], ...result });
}
