/**
 * Families of instance types, and all their sizes: what a real region sells besides the types whose
 * prices were looked up. Sizes, memory, architectures and disk categories follow
 * https://help.aliyun.com/zh/ecs/user-guide/overview-of-instance-families; the prices are
 * estimates, scaled from those of c7, g7 and r7 by generation and processor.
 */
import type { DiskCategory } from './disks';

/** `shared`: burstable or shared-core types; `metal`: no virtual machine, and no spot. */
export type Kind = 'enterprise' | 'entry' | 'shared' | 'metal' | 'gpu' | 'local-disk';

export interface TypeOfFamily {
  readonly name: string;
  readonly family: string;
  readonly kind: Kind;
  readonly vcpus: number;
  readonly memoryGiB: number;
  readonly architecture: 'X86' | 'ARM';
  readonly disks: readonly DiskCategory[];
  readonly onDemandYuanPerHour: number;
  readonly gpu?: { readonly amount: number; readonly model: string; readonly memoryGiB: number };
}

/**
 * Which disks a generation takes: the first five know ESSDs late or never, the seventh and later
 * ones nothing else.
 */
const OLDEST: readonly DiskCategory[] = ['cloud_efficiency', 'cloud_ssd'];
const OLD: readonly DiskCategory[] = ['cloud_essd', 'cloud_efficiency', 'cloud_ssd'];
export const NEW: readonly DiskCategory[] = ['cloud_essd', 'cloud_auto'];
export const ENTRY: readonly DiskCategory[] = [
  'cloud_essd',
  'cloud_essd_entry',
  'cloud_auto',
  'cloud_efficiency',
  'cloud_ssd',
];

/** vCPUs by size. */
const SIZES: readonly (readonly [size: string, vcpus: number])[] = [
  ['large', 2],
  ['xlarge', 4],
  ['2xlarge', 8],
  ['3xlarge', 12],
  ['4xlarge', 16],
  ['6xlarge', 24],
  ['8xlarge', 32],
  ['12xlarge', 48],
  ['16xlarge', 64],
  ['24xlarge', 96],
  ['32xlarge', 128],
];

/** Yuan an hour for each vCPU, by GiB of memory for each vCPU. */
const YUAN_PER_VCPU: Readonly<Record<number, number>> = { 1: 0.17, 2: 0.2039, 4: 0.2625, 8: 0.335 };
const RATIO: Readonly<Record<string, number>> = { c: 2, g: 4, r: 8 };

interface Series {
  readonly suffixes: readonly string[];
  readonly kind: Kind;
  readonly sizes: readonly [from: number, to: number];
  readonly disks: readonly DiskCategory[];
  /** Of the price of c7, g7 and r7. */
  readonly price: number;
  readonly arm?: boolean;
}

/** After `ecs.c`, `ecs.g` and `ecs.r`. */
const SERIES: readonly Series[] = [
  { suffixes: ['5'], kind: 'enterprise', sizes: [0, 9], disks: OLD, price: 0.96 },
  { suffixes: ['6', '6e'], kind: 'enterprise', sizes: [0, 9], disks: OLD, price: 0.98 },
  { suffixes: ['6a'], kind: 'enterprise', sizes: [0, 9], disks: OLD, price: 0.9 },
  { suffixes: ['7', '7se', '7t'], kind: 'enterprise', sizes: [0, 10], disks: NEW, price: 1 },
  { suffixes: ['7a', '8a', '9a'], kind: 'enterprise', sizes: [0, 10], disks: NEW, price: 0.95 },
  { suffixes: ['8i', '9i'], kind: 'enterprise', sizes: [0, 10], disks: NEW, price: 1.05 },
  { suffixes: ['8ae', '9ae'], kind: 'enterprise', sizes: [0, 10], disks: NEW, price: 1.1 },
  { suffixes: ['6r', '8y'], kind: 'enterprise', sizes: [0, 10], disks: NEW, price: 0.79, arm: true },
];

interface Odd {
  /** `ecs.u1-c1m2`: the types of some families carry their shape in the name. */
  readonly stem: string;
  readonly family: string;
  readonly ratio: number;
  readonly kind: Kind;
  readonly sizes: readonly [from: number, to: number];
  readonly disks: readonly DiskCategory[];
  readonly price: number;
}

function shapes(family: string, ratios: readonly number[], odd: Omit<Odd, 'stem' | 'family' | 'ratio'>): Odd[] {
  return ratios.map((ratio) => ({ stem: `${family}-c1m${ratio}`, family, ratio, ...odd }));
}

function plain(family: string, ratio: number, odd: Omit<Odd, 'stem' | 'family' | 'ratio'>): Odd {
  return { stem: family, family, ratio, ...odd };
}

const ODD: readonly Odd[] = [
  ...shapes('ecs.u1', [1, 2, 4, 8], { kind: 'entry', sizes: [0, 6], disks: ENTRY, price: 0.86 }),
  ...shapes('ecs.u2a', [2, 4, 8], { kind: 'entry', sizes: [0, 6], disks: NEW, price: 0.7 }),
  ...shapes('ecs.u2i', [2, 4, 8], { kind: 'entry', sizes: [0, 6], disks: NEW, price: 0.75 }),
  ...shapes('ecs.e', [1, 2, 4], { kind: 'shared', sizes: [0, 2], disks: ENTRY, price: 0.5 }),
  ...shapes('ecs.t6', [1, 2, 4], { kind: 'shared', sizes: [0, 2], disks: OLD, price: 0.45 }),
  ...shapes('ecs.t5', [1, 2, 4], { kind: 'shared', sizes: [0, 2], disks: OLDEST, price: 0.4 }),
  plain('ecs.n4', 2, { kind: 'shared', sizes: [0, 6], disks: OLDEST, price: 0.6 }),
  plain('ecs.mn4', 4, { kind: 'shared', sizes: [0, 6], disks: OLDEST, price: 0.6 }),
  plain('ecs.sn1ne', 2, { kind: 'enterprise', sizes: [0, 6], disks: OLDEST, price: 0.95 }),
  plain('ecs.sn2ne', 4, { kind: 'enterprise', sizes: [0, 6], disks: OLDEST, price: 0.95 }),
  plain('ecs.se1ne', 8, { kind: 'enterprise', sizes: [0, 6], disks: OLDEST, price: 0.95 }),
  ...(['c', 'g', 'r'] as const).flatMap((letter) =>
    ['6', '7', '8i'].map((generation) =>
      plain(`ecs.hf${letter}${generation}`, RATIO[letter]!, {
        ...{ kind: 'enterprise', sizes: [0, 8], price: 1.2 },
        disks: generation === '6' ? OLD : NEW,
      }),
    ),
  ),
  ...(['c', 'g', 'r'] as const).flatMap((letter) =>
    ['6', '7', '8i', '8a'].map((generation) =>
      plain(`ecs.ebm${letter}${generation}`, RATIO[letter]!, {
        ...{ kind: 'metal', sizes: [9, 10], price: 1.05 },
        disks: generation === '6' ? OLD : NEW,
      }),
    ),
  ),
  plain('ecs.i2', 8, { kind: 'local-disk', sizes: [1, 8], disks: OLD, price: 1.5 }),
  plain('ecs.i4', 8, { kind: 'local-disk', sizes: [0, 10], disks: NEW, price: 1.4 }),
  plain('ecs.d3s', 4, { kind: 'local-disk', sizes: [2, 8], disks: NEW, price: 1.6 }),
];

const GPUS: readonly (readonly [
  family: string,
  model: string,
  gpuGiB: number,
  vcpus: number,
  memoryGiB: number,
  yuan: number,
])[] = [
  ['ecs.gn6v', 'NVIDIA V100', 16, 8, 32, 26.46],
  ['ecs.gn7i', 'NVIDIA A10', 24, 16, 60, 14.9],
  ['ecs.gn7e', 'NVIDIA A100', 80, 16, 125, 34.7],
  ['ecs.gn8is', 'NVIDIA L20', 48, 16, 128, 19.5],
];

function type(odd: Odd, [size, vcpus]: readonly [string, number], arm: boolean): TypeOfFamily {
  return {
    name: `${odd.stem}.${size}`,
    family: odd.family,
    kind: odd.kind,
    vcpus,
    memoryGiB: vcpus * odd.ratio,
    architecture: arm ? 'ARM' : 'X86',
    disks: odd.disks,
    onDemandYuanPerHour: milli(vcpus * (YUAN_PER_VCPU[odd.ratio] ?? 0) * odd.price),
  };
}

function sizesOf(odd: Odd, arm: boolean): TypeOfFamily[] {
  return SIZES.slice(odd.sizes[0], odd.sizes[1] + 1).map((size) => type(odd, size, arm));
}

const gpuTypes: readonly TypeOfFamily[] = GPUS.flatMap(([family, model, gpuGiB, vcpus, memoryGiB, yuan]) =>
  [1, 2, 4].map((amount): TypeOfFamily => ({
    name: `${family}-c${vcpus}g1.${(vcpus * amount) / 4}xlarge`,
    family,
    kind: 'gpu',
    vcpus: vcpus * amount,
    memoryGiB: memoryGiB * amount,
    architecture: 'X86',
    disks: NEW,
    onDemandYuanPerHour: milli(yuan * amount),
    gpu: { amount, model, memoryGiB: gpuGiB },
  })),
);

/** Some 775 types, in an order in which each beginning holds all kinds. */
export const TYPES_OF_FAMILIES: readonly TypeOfFamily[] = [
  ...SERIES.flatMap(({ suffixes, arm = false, ...series }) =>
    suffixes.flatMap((suffix) =>
      ['c', 'g', 'r'].flatMap((letter) => sizesOf(plain(`ecs.${letter}${suffix}`, RATIO[letter]!, series), arm)),
    ),
  ),
  ...ODD.flatMap((odd) => sizesOf(odd, false)),
  ...gpuTypes,
].sort((a, b) => share(a.name) - share(b.name));

/**
 * 0 to 1, always the same for the same text: what differs from type to type and from zone to zone
 * without being written down.
 */
export function share(text: string): number {
  let mixed = 2166136261;
  for (const letter of text) mixed = Math.imul(mixed ^ letter.charCodeAt(0), 16777619);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 2246822519);
  return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32;
}

/** Yuan rounded as the API writes prices. */
export function milli(yuan: number): number {
  return Math.round(yuan * 1000) / 1000;
}
