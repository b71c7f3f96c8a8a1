import type { LedgerEntry } from './types';

/** How large the machine of a ledger's line was, as far as that is known. */
export interface KnownSize {
  readonly vcpu: number;
  readonly memoryGiB: number;
  readonly gpu: boolean;
}

/** GiB for each vCPU, by the letter of the family: `c7`, `g8i`, `r7`. */
const RATIO: Readonly<Record<string, number>> = { c: 2, g: 4, r: 8 };

/** By what the cloud said at launch, else by what its type's name means. Undefined: not known. */
export function sizeOf({ instanceType, use }: Pick<LedgerEntry, 'instanceType' | 'use'>): KnownSize | undefined {
  const gpu = /^ecs\.(ebm)?(v?gn|sgn|gi|ga|f)\d/.test(instanceType);
  const named = sizeByName(instanceType);
  const vcpu = use?.vcpu ?? named?.vcpu;
  const memoryGiB = use?.memoryMiB === undefined ? named?.memoryGiB : use.memoryMiB / 1024;
  return vcpu === undefined || memoryGiB === undefined ? undefined : { vcpu, memoryGiB, gpu };
}

/**
 * `ecs.c7.xlarge`, `ecs.u1-c1m2.2xlarge`:
 * https://www.alibabacloud.com/help/en/ecs/user-guide/overview-of-instance-families
 */
function sizeByName(instanceType: string): { readonly vcpu: number; readonly memoryGiB: number } | undefined {
  const match = /^ecs\.(?:([cgr])\d+\w*|\w+-c1m(\d))\.(?:(large)|(\d*)xlarge)$/.exec(instanceType);
  if (!match) return undefined;
  const [, letter = '', ratio, large, times] = match;
  const vcpu = large ? 2 : 4 * Number(times || 1);
  return { vcpu, memoryGiB: vcpu * (ratio ? Number(ratio) : RATIO[letter]!) };
}
