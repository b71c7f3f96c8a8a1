import type { InstanceType } from '../cloud/types';
import type { InstanceRequirements } from '../settings/types';

/**
 * Chooses the types of a profile by size before anything is asked about them: a region sells some
 * 800, and each type that is asked about costs three calls. Pure.
 */

/** So many types of a profile by size are asked about for stock and price. */
export const MAX_TYPES = 7;
/** So many are compared by the cloud's own advice on spot prices, which is asked for in tens. */
const SHORTLIST = 20;
/** Older generations of the general families don't take ESSD disks. */
const OLDEST_GENERATION = 6;

/** Bare metal, and super computing clusters, which are bare metal too. */
const BARE_METAL = /^ecs\.(ebm|scc)/;
/**
 * Burstable (t), economy (e), and shared-core families. The API's own level says so too, where it
 * says anything.
 */
const SHARED_CORE = /^ecs\.(t\d|e[\d.-]|s\d|n\d|xn\d|mn\d|ic\d)/;
const SHARED_LEVELS: ReadonlySet<string> = new Set(['EntryLevel', 'CreditEntryLevel']);
/** The universal family is sold at entry level, with cores of its own. */
const UNIVERSAL = /^ecs\.u\d/;

/**
 * The types worth comparing: large enough, no bare metal, no burstable or shared cores, no local
 * disks that nobody asked for, no accelerator that nobody asked for, current generations. Smallest
 * first; newer generations first among equals.
 */
export function shortlist(sold: readonly InstanceType[], wanted: InstanceRequirements): readonly InstanceType[] {
  return sold
    .filter((type) => fits(type, wanted) && isGeneral(type, wanted))
    .sort(
      (a, b) =>
        a.vcpu - b.vcpu ||
        a.memoryGiB - b.memoryGiB ||
        generation(b.name) - generation(a.name) ||
        a.name.localeCompare(b.name),
    )
    .slice(0, SHORTLIST);
}

/**
 * The cheapest of them, as far as one listing tells: by size and by the share of the pay-as-you-go
 * price that spot costs.
 * @param share percent of the pay-as-you-go price, by type; a type without one counts as full
 * price.
 */
export function cheapest(types: readonly InstanceType[], share: ReadonlyMap<string, number>): readonly string[] {
  const expected = ({ name, vcpu, memoryGiB }: InstanceType): number =>
    (vcpu + memoryGiB / MEMORY_PER_VCPU) * (share.get(name) ?? 100);
  return [...types]
    .sort((a, b) => expected(a) - expected(b))
    .slice(0, MAX_TYPES)
    .map(({ name }) => name);
}

/** Some 8 GiB cost what a vCPU costs, in the list prices of the c, g and r families. */
const MEMORY_PER_VCPU = 8;

function fits(type: InstanceType, wanted: InstanceRequirements): boolean {
  return (
    type.vcpu >= wanted.vcpu &&
    type.memoryGiB >= wanted.memoryGiB &&
    type.architecture === wanted.architecture &&
    (wanted.gpus === 0 ? type.gpus === 0 : type.gpus >= wanted.gpus)
  );
}

function isGeneral(type: InstanceType, { gpus }: InstanceRequirements): boolean {
  if (BARE_METAL.test(type.name) || type.hasLocalDisk) return false;
  if (UNIVERSAL.test(type.name)) return true;
  if (SHARED_CORE.test(type.name) || SHARED_LEVELS.has(type.level)) return false;
  // GPU families count their generations otherwise.
  return gpus > 0 || generation(type.name) >= OLDEST_GENERATION;
}

function generation(name: string): number {
  return Number(/^ecs\.[a-z]+(\d+)/.exec(name)?.[1] ?? 0);
}

/**
 * Alibaba Cloud's ARM families end with y (Yitian) or r (Ampere):
 * https://help.aliyun.com/zh/ecs/user-guide/overview-of-instance-families
 */
export function architectureOf(instanceType: string): InstanceRequirements['architecture'] {
  return /^ecs\.[cgr]\d[a-z]*[yr]\./.test(instanceType) ? 'arm64' : 'x86_64';
}
