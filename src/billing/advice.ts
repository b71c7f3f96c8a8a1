import { unitOf } from '../currency';
import { useText, type JobUse } from '../jobs/use';
import type { Profile } from '../settings/types';
import { sizeOf } from './machine-size';
import { groupsOf } from './report';
import { isWaste } from './tally';
import type { LedgerEntry } from './types';

/** A job that another profile would suit better. */
export interface Advice {
  readonly project: string;
  readonly jobName: string;
  readonly profile: string;
  /** A profile, or what the job would write: `SPOT_CPU: 2, SPOT_MEMORY: 4`. */
  readonly to: string;
  /** `larger`: its memory or disk is nearly full, so that it may fail one day. */
  readonly kind: 'smaller' | 'larger';
  /** Runs that this was seen in. */
  readonly runs: number;
  /** The most of memory and disk, and of the CPUs what nine of ten runs keep below. */
  readonly use: JobUse;
  /** What it would save in 30 days, at what these runs cost; negative: it costs more. An estimate. */
  readonly yuan: number;
}

/** So many days of the ledger are looked at. */
export const ADVICE_DAYS = 30;
/** Fewer successful runs tell nothing. */
const FEWEST_RUNS = 10;
/** So much more than it used the job is to have, and so much slower it may get. */
const MARGIN = 1.3;
/** Above this share memory or disk counts as nearly full. */
const FULL = 0.9;
/** Less than that is not worth a change: of the job's cost, and in all. */
const LEAST_SHARE = 0.1;
const LEAST_YUAN = 1;

/** A machine that a job might have. */
interface Machine {
  readonly name: string;
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly diskGiB: number;
  readonly gpu: boolean;
  readonly arm: boolean;
  /** Undefined: none of its kind ran, so that its price follows from its size. */
  readonly yuanPerHour?: number | undefined;
}

/**
 * Which jobs a smaller or cheaper profile would do for, and which need a larger one. Cautious: only
 * from successful runs that told their use, ten at least, with a margin of 30 %. A machine with
 * fewer CPUs is taken to be slower by as much as the job may have kept them all busy; one with more
 * is taken to be no faster. Only profiles that every project may use.
 * @param entries in one currency, of the last 30 days
 */
export function advise(entries: readonly LedgerEntry[], profiles: readonly Profile[]): readonly Advice[] {
  const jobs = entries.filter(({ spare, verified }) => !spare && verified !== false);
  const byProfile = groupsOf(jobs, 'profile');
  const machines = profiles.flatMap((profile) => {
    const ran = byProfile.find(({ name }) => name === profile.name)?.entries ?? [];
    const machine = isOpen(profile) ? machineOf(profile, ran) : undefined;
    return machine ? [machine] : [];
  });
  return groupsOf(jobs, 'job')
    .flatMap((job) => groupsOf(job.entries, 'profile'))
    .flatMap(({ name, entries: runs }) => {
      const advice = adviceOn(
        runs,
        machines.filter((machine) => machine.name !== name),
        profiles.find((profile) => profile.name === name),
      );
      return advice ? [advice] : [];
    })
    .sort((a, b) => Math.abs(b.yuan) - Math.abs(a.yuan));
}

function adviceOn(runs: readonly LedgerEntry[], others: readonly Machine[], profile: Profile | undefined) {
  const told = runs.filter((run) => run.result === 'success' && !isWaste(run) && isWhole(run.use));
  const use = told.length < FEWEST_RUNS ? undefined : usedBy(told.map((run) => run.use as Required<JobUse>));
  const newest = told.at(-1);
  const size = newest && sizeOf(newest);
  if (!use || !size) return undefined;
  const own = { ...size, ...use, name: '', arm: isArm(newest.instanceType), yuanPerHour: hourly(runs) };
  const candidates = [...others, ...choices(own, profile)].filter(({ gpu, arm }) => gpu === own.gpu && arm === own.arm);
  const paid = runs.reduce((sum, { yuan }) => sum + yuan, 0);
  const isFull = use.memoryPeakMiB > use.memoryMiB * FULL || use.diskPeakGiB > use.diskGiB * FULL;
  const fitting = candidates
    .filter((machine) => fits(use, machine, own))
    .map((machine) => ({ machine, saved: paid * (1 - costShare(use, machine, own)) }))
    .sort((a, b) => b.saved - a.saved);
  const best = fitting[0];
  if (!best || (!isFull && (best.saved < LEAST_YUAN || best.saved < paid * LEAST_SHARE))) return undefined;
  const { project, jobName, profile: from } = newest;
  const kind = isFull ? ('larger' as const) : ('smaller' as const);
  const yuan = Math.round(best.saved * 100) / 100;
  return { project, jobName, profile: from, to: best.machine.name, kind, runs: told.length, use, yuan };
}

/** What all of these runs stayed below. */
function usedBy(uses: readonly Required<JobUse>[]) {
  const last = uses.at(-1) as { [key in keyof JobUse]-?: number };
  const most = (key: keyof JobUse): number => Math.max(...uses.map((use) => use[key] as number));
  const shares = uses.map(({ cpuShare }) => cpuShare as number).sort((a, b) => a - b);
  return {
    ...last,
    memoryPeakMiB: most('memoryPeakMiB'),
    diskPeakGiB: most('diskPeakGiB'),
    cpuShare: shares[Math.ceil(shares.length * 0.9) - 1]!,
  };
}

type Used = ReturnType<typeof usedBy>;

function fits(use: Used, machine: Machine, own: Machine): boolean {
  return (
    machine.memoryMiB >= use.memoryPeakMiB * MARGIN &&
    machine.diskGiB >= use.diskPeakGiB * MARGIN &&
    slower(use, machine, own) <= MARGIN
  );
}

/** So many times as long, if all CPUs were busy for that share of the time and none for the rest. */
function slower({ cpuShare }: Used, machine: Machine, own: Machine): number {
  return 1 + cpuShare * Math.max(0, own.vcpu / machine.vcpu - 1);
}

/** What a run costs there, of what it costs here. */
function costShare(use: Used, machine: Machine, own: Machine): number {
  const bySize = Math.max(machine.vcpu / own.vcpu, machine.memoryMiB / own.memoryMiB);
  const price = machine.yuanPerHour === undefined ? bySize : machine.yuanPerHour / own.yuanPerHour!;
  return price * slower(use, machine, own);
}

/** Half and twice the machine, as far as the profile lets a job choose. */
function choices(own: Machine, profile: Profile | undefined): readonly Machine[] {
  const { vcpu, memoryGiB } = profile?.choose ?? {};
  if (!vcpu || !memoryGiB) return [];
  return [0.5, 2].flatMap((factor) => {
    const size = { vcpu: own.vcpu * factor, memoryMiB: own.memoryMiB * factor };
    const gib = size.memoryMiB / 1024;
    const allowed =
      Number.isInteger(size.vcpu) && within(size.vcpu, vcpu) && Number.isInteger(gib) && within(gib, memoryGiB);
    const name = `SPOT_CPU: ${size.vcpu}, SPOT_MEMORY: ${gib}`;
    return allowed ? [{ ...own, ...size, name, yuanPerHour: undefined }] : [];
  });
}

function within(value: number, { least, most }: { readonly least: number; readonly most: number }): boolean {
  return value >= least && value <= most;
}

function isOpen({ allow }: Profile): boolean {
  return allow.projects.length === 0 && !allow.protectedRefs;
}

/** A profile's machine: as the newest of its runs had it, or as the page describes it. */
function machineOf(profile: Profile, ran: readonly LedgerEntry[]): Machine | undefined {
  const { name, instances, disk } = profile;
  const newest = ran.findLast(({ use }) => use?.vcpu !== undefined && use.memoryMiB !== undefined);
  const base = { name, diskGiB: disk.sizeGiB };
  if (newest) {
    const size = sizeOf(newest)!;
    const { vcpu, memoryGiB, gpu } = size;
    const arm = isArm(newest.instanceType);
    return { ...base, vcpu, memoryMiB: memoryGiB * 1024, gpu, arm, yuanPerHour: hourly(ran) };
  }
  if ('types' in instances) return undefined;
  const { vcpu, memoryGiB, gpus, architecture } = instances;
  return { ...base, vcpu, memoryMiB: memoryGiB * 1024, gpu: gpus > 0, arm: architecture === 'arm64' };
}

function hourly(entries: readonly LedgerEntry[]): number | undefined {
  const seconds = entries.reduce((sum, one) => sum + one.seconds, 0);
  return seconds === 0 ? undefined : (entries.reduce((sum, { yuan }) => sum + yuan, 0) * 3600) / seconds;
}

/** Alibaba's families on ARM: `c6r`, `g8y`, `r8y`. */
function isArm(instanceType: string): boolean {
  return /^ecs\.[cgr]\d[ry]\./.test(instanceType);
}

function isWhole(use: JobUse | undefined): boolean {
  return use?.memoryPeakMiB !== undefined && use.cpuShare !== undefined && use.diskPeakGiB !== undefined;
}

/**
 * For people: `team/app build: small would do instead of standard (peak …, in 240 runs): saves about
 * 12.30 yuan in 30 days`.
 */
export function adviceText({ project, jobName, profile, to, kind, runs, use, yuan }: Advice, currency: string): string {
  const money = `${Math.abs(yuan).toFixed(2)} ${unitOf(currency)} in ${ADVICE_DAYS} days`;
  const what = kind === 'smaller' ? `${to} would do instead of ${profile}` : `${profile} is nearly full, take ${to}`;
  return `${project} ${jobName}: ${what} (${useText(use)}, in ${runs} runs): ${yuan >= 0 ? 'saves' : 'costs'} about ${money}${yuan >= 0 ? '' : ' more'}`;
}
