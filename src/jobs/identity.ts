import { createHash } from 'node:crypto';
import type { JobIdentity } from './types';
import { TAG } from './types';

/** Pulumi's limit on a stack's name. */
export const MAX_STACK_NAME = 100;

const READABLE_HOST = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/;

/**
 * A job's identity: a pure function of GitLab, job and prepare attempt, so that a cleanup that
 * finds an empty disk still knows what to destroy. Different jobs never share a name: the last two
 * parts are numbers, and a host that can't stand in a name as it is (too long, strange characters,
 * GitLab below a path) is told by its digest, which `_h` sets apart from a port.
 */
export function jobIdentity(serverUrl: string, jobId: number, attempt: number): JobIdentity {
  const serverHost = hostOf(serverUrl);
  const suffix = `-${jobId}-${attempt}`;
  const room = MAX_STACK_NAME - 'job-'.length - suffix.length;
  return { stackName: `job-${hostPart(serverHost, room)}${suffix}`, serverHost, jobId, attempt };
}

/**
 * Host, port if it is not the default, path if GitLab lives below one: what tells one GitLab from
 * another.
 */
function hostOf(serverUrl: string): string {
  try {
    const url = new URL(serverUrl);
    return `${url.host.toLowerCase()}${url.pathname.replace(/\/+$/, '')}`;
  } catch {
    return serverUrl.toLowerCase();
  }
}

function hostPart(host: string, room: number): string {
  if (READABLE_HOST.test(host) && host.length <= room) return host.replace(':', '_');
  const digest = `_h${createHash('sha256').update(host).digest('hex').slice(0, 16)}`;
  const readable = host.replace(/[^a-z0-9.-]+/g, '-').replace(/^[^a-z0-9]+/, '');
  return `${readable.slice(0, room - digest.length)}${digest}`;
}

/**
 * Back from a stack's name. Undefined: not one of our jobs. The host can't be had back where it is
 * a digest.
 */
export function parseStackName(stackName: string): { jobId: number; attempt: number } | undefined {
  const match = /^job-.+-(\d+)-(\d+)$/.exec(stackName);
  return match ? { jobId: Number(match[1]), attempt: Number(match[2]) } : undefined;
}

const SPARE_NAME = /^spare-.+-[0-9a-z]{12}$/;

/**
 * A spare machine's: it is nobody's job, and no two ever have the same. `random`: four characters.
 */
export function spareIdentity(profile: string, nowMs: number, random: string): JobIdentity {
  const stamp = nowMs.toString(36).padStart(8, '0').slice(-8);
  return { stackName: `spare-${profile}-${stamp}${random}`, serverHost: '', jobId: 0, attempt: 0 };
}

/** Made as a spare, whoever has it now. */
export function isSpareName(stackName: string): boolean {
  return SPARE_NAME.test(stackName);
}

export interface SpareTagFacts extends Pick<TagFacts, 'identity' | 'executorId' | 'stateDir' | 'machine'> {
  readonly profile: string;
}

/** The tags on everything that a spare is made of. */
export function spareTags({ identity, profile, executorId, stateDir, machine }: SpareTagFacts): Record<string, string> {
  return legal({
    [TAG.kind]: 'spare',
    [TAG.stack]: identity.stackName,
    [TAG.profile]: profile,
    [TAG.executor]: executorId,
    [TAG.stateDir]: stateDir,
    ...(machine === undefined ? {} : { [TAG.machine]: machine }),
  });
}

/**
 * What a spare's instance is tagged with once a job has it: all that a job's own would say, but for
 * the stack.
 */
export function holderTags(facts: TagFacts, claimedAt: string): Record<string, string> {
  const { [TAG.stack]: holder = '', ...tags } = jobTags(facts);
  return { ...tags, [TAG.holder]: holder, [TAG.claimedAt]: claimedAt };
}

export interface TagFacts {
  readonly identity: JobIdentity;
  readonly projectPath: string;
  /** Undefined or 0: not known. */
  readonly projectId?: number | undefined;
  readonly runnerId: string;
  readonly executorId: string;
  readonly stateDir: string;
  /** Which machine, whatever its name (host/machine.ts); left out: nobody tells. */
  readonly machine?: string | undefined;
}

/** The tags on everything a job makes in the cloud. */
export function jobTags({
  identity,
  projectPath,
  projectId,
  runnerId,
  executorId,
  stateDir,
  machine,
}: TagFacts): Record<string, string> {
  const tags: Record<string, string> = {
    [TAG.kind]: 'job',
    [TAG.stack]: identity.stackName,
    [TAG.server]: identity.serverHost,
    [TAG.project]: projectPath,
    ...(projectId ? { [TAG.projectId]: String(projectId) } : {}),
    [TAG.job]: String(identity.jobId),
    [TAG.runner]: runnerId,
    [TAG.executor]: executorId,
    [TAG.stateDir]: stateDir,
    ...(machine === undefined ? {} : { [TAG.machine]: machine }),
  };
  return legal(tags);
}

function legal(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [key, tagValue(value)]));
}

/** ECS allows 128 characters, no `http://` in them, and no `aliyun` or `acs:` at the start. */
export function tagValue(value: string): string {
  const legal = value
    .replace(/:\/{2,}/g, ':/')
    .replace(/[\u0000-\u001f\u007f]/g, ' ')
    .trim();
  const prefixed = /^(aliyun|acs:)/i.test(legal) ? `_${legal}` : legal;
  if (prefixed.length <= 128) return prefixed;
  // A pair that is cut in two is no character any more.
  return `${prefixed.slice(0, 111).replace(/[\ud800-\udbff]$/, '')}~${createHash('sha256').update(value).digest('hex').slice(0, 16)}`;
}
