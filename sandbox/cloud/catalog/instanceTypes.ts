/**
 * Instance types on offer. The prices of c7, c8a and u1 are one day's snapshot, in yuan an hour,
 * those of the other types listed here are scaled from it; the rest of a region is generated
 * (families.ts).
 */
import type { DiskCategory } from './disks';
import { ENTRY, milli, NEW, share, TYPES_OF_FAMILIES, type Kind, type TypeOfFamily } from './families';

export interface InstanceType extends TypeOfFamily {
  readonly spotYuanPerHour: number;
  /**
   * `EntryLevel`, `EnterpriseLevel`, `CreditEntryLevel` or `Advanced`, as DescribeInstanceTypes has
   * it.
   */
  readonly level: string;
}

type Row = readonly [name: string, vcpus: number, memoryGiB: number, onDemand: number, spot: number];

const X86: readonly Row[] = [
  ['ecs.c7.large', 2, 4, 0.408, 0.078],
  ['ecs.c7.xlarge', 4, 8, 0.815, 0.155],
  ['ecs.c7.2xlarge', 8, 16, 1.631, 0.31],
  ['ecs.c7.4xlarge', 16, 32, 3.262, 0.62],
  ['ecs.g7.large', 2, 8, 0.525, 0.1],
  ['ecs.g7.xlarge', 4, 16, 1.05, 0.2],
  ['ecs.g7.2xlarge', 8, 32, 2.1, 0.4],
  ['ecs.r7.xlarge', 4, 32, 1.34, 0.255],
  ['ecs.c8a.large', 2, 4, 0.387, 0.074],
  ['ecs.c8a.xlarge', 4, 8, 0.774, 0.148],
  ['ecs.c8a.2xlarge', 8, 16, 1.548, 0.296],
  ['ecs.c8i.xlarge', 4, 8, 0.857, 0.163],
  ['ecs.u1-c1m1.large', 2, 2, 0.27, 0.033],
  ['ecs.u1-c1m2.large', 2, 4, 0.351, 0.043],
  ['ecs.u1-c1m2.xlarge', 4, 8, 0.702, 0.085],
  ['ecs.u1-c1m2.2xlarge', 8, 16, 1.404, 0.127],
];

const ARM: readonly Row[] = [
  ['ecs.c8y.large', 2, 4, 0.321, 0.064],
  ['ecs.c8y.xlarge', 4, 8, 0.642, 0.128],
  ['ecs.c8y.2xlarge', 8, 16, 1.284, 0.257],
  ['ecs.g8y.xlarge', 4, 16, 0.82, 0.164],
];

const GPU: readonly Row[] = [
  ['ecs.gn6i-c4g1.xlarge', 4, 15, 11.63, 2.33],
  ['ecs.gn6i-c8g1.2xlarge', 8, 31, 14, 2.8],
];

const T4 = { amount: 1, model: 'NVIDIA T4', memoryGiB: 16 };

function listed([name, vcpus, memoryGiB, onDemandYuanPerHour, spotYuanPerHour]: Row): InstanceType {
  const stem = name.slice(0, name.lastIndexOf('.'));
  const entry = stem.startsWith('ecs.u1');
  const kind: Kind = entry ? 'entry' : 'enterprise';
  const disks: readonly DiskCategory[] = entry ? ENTRY : NEW;
  return {
    ...{ name, vcpus, memoryGiB, onDemandYuanPerHour, spotYuanPerHour, kind, disks },
    family: entry ? 'ecs.u1' : stem.replace(/-c\d+g\d+$/, ''),
    architecture: 'X86',
    level: entry ? 'EntryLevel' : 'EnterpriseLevel',
  };
}

const LEVEL: Readonly<Record<Kind, string>> = {
  enterprise: 'EnterpriseLevel',
  'local-disk': 'EnterpriseLevel',
  metal: 'EnterpriseLevel',
  entry: 'EntryLevel',
  shared: 'CreditEntryLevel',
  gpu: 'Advanced',
};

/**
 * Spot costs a tenth to a third of the price; bare metal and what has disks of its own is not sold
 * as spot: the full price.
 */
function generated(type: TypeOfFamily): InstanceType {
  const factor = type.kind === 'metal' || type.kind === 'local-disk' ? 1 : 0.1 + 0.25 * share(`spot ${type.name}`);
  return { ...type, spotYuanPerHour: milli(type.onDemandYuanPerHour * factor), level: LEVEL[type.kind] };
}

const LISTED: readonly InstanceType[] = [
  ...X86.map(listed),
  ...ARM.map((row) => ({ ...listed(row), architecture: 'ARM' as const })),
  ...GPU.map((row) => ({ ...listed(row), gpu: T4, kind: 'gpu' as const, level: 'Advanced' })),
];

const known = new Set(LISTED.map(({ name }) => name));

/** How many types are written down above: every region sells these. */
export const LISTED_TYPES = LISTED.length;

/** By name; a region sells a beginning of the list. */
export const INSTANCE_TYPES: ReadonlyMap<string, InstanceType> = new Map(
  [...LISTED, ...TYPES_OF_FAMILIES.filter(({ name }) => !known.has(name)).map(generated)].map((type) => [
    type.name,
    type,
  ]),
);

export const isListed = (type: InstanceType): boolean => known.has(type.name);
