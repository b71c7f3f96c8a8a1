/**
 * Instance types on offer: a small, plausible part of the real list. Prices in yuan an hour. Those of c7, c8a and u1 are one day's
 * snapshot; the others are scaled from it.
 */
export interface InstanceType {
  readonly name: string;
  readonly family: string;
  readonly vcpus: number;
  readonly memoryGiB: number;
  readonly architecture: 'X86' | 'ARM';
  readonly gpu?: { readonly amount: number; readonly model: string; readonly memoryGiB: number };
  readonly onDemandYuanPerHour: number;
  readonly spotYuanPerHour: number;
  /** `EntryLevel`, `EnterpriseLevel` or `Advanced`, as DescribeInstanceTypes has it. */
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

function toType([name, vcpus, memoryGiB, onDemandYuanPerHour, spotYuanPerHour]: Row): InstanceType {
  const family = name.slice(0, name.lastIndexOf('.'));
  return {
    name,
    family: family.startsWith('ecs.u1') ? 'ecs.u1' : family.replace(/-c\d+g\d+$/, ''),
    vcpus,
    memoryGiB,
    architecture: 'X86',
    onDemandYuanPerHour,
    spotYuanPerHour,
    level: family.startsWith('ecs.u1') ? 'EntryLevel' : 'EnterpriseLevel',
  };
}

export const INSTANCE_TYPES: ReadonlyMap<string, InstanceType> = new Map(
  [
    ...X86.map(toType),
    ...ARM.map((row) => ({ ...toType(row), architecture: 'ARM' as const })),
    ...GPU.map((row) => ({ ...toType(row), gpu: T4, level: 'Advanced' })),
  ].map((type) => [type.name, type]),
);
