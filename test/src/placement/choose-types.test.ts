import type { InstanceType } from '../../../src/cloud/types';
import { cheapest, MAX_TYPES, shortlist } from '../../../src/placement/choose-types';

const wanted = { vcpu: 4, memoryGiB: 8, architecture: 'x86_64', gpus: 0 } as const;
const type = (name: string, change: Partial<InstanceType> = {}): InstanceType => ({
  name,
  vcpu: 4,
  memoryGiB: 8,
  gpus: 0,
  architecture: 'x86_64',
  level: 'EnterpriseLevel',
  hasLocalDisk: false,
  ...change,
});
const names = (types: readonly InstanceType[], asked: Parameters<typeof shortlist>[1] = wanted) =>
  shortlist(types, asked).map(({ name }) => name);

describe('a profile by size is asked about only', () => {
  test.each<[string, InstanceType]>([
    ['too few vCPUs', type('ecs.c7.large', { vcpu: 2 })],
    ['too little memory', type('ecs.c7.xlarge', { memoryGiB: 4 })],
    ['another architecture', type('ecs.c8y.xlarge', { architecture: 'arm64' })],
    ['a GPU that nobody asked for', type('ecs.gn7i-c4g1.xlarge', { gpus: 1 })],
    ['bare metal', type('ecs.ebmc7.32xlarge', { vcpu: 128, memoryGiB: 256 })],
    ['burstable cores', type('ecs.t6-c1m2.xlarge', { level: 'CreditEntryLevel' })],
    ['burstable cores, where the API does not say so', type('ecs.t5-c1m2.xlarge', { level: '' })],
    ['shared cores', type('ecs.e-c1m2.xlarge', { level: 'EntryLevel' })],
    ['shared cores of an old family', type('ecs.s6-c1m2.xlarge', { level: '' })],
    ['an old generation', type('ecs.c5.xlarge')],
    ['local disks', type('ecs.i4.xlarge', { hasLocalDisk: true })],
  ])('what is not %s', (_name, unwanted) => {
    expect(names([unwanted, type('ecs.c7.xlarge')])).toEqual(['ecs.c7.xlarge']);
  });

  test('what it wants of accelerators', () => {
    const gpu = type('ecs.gn5-c4g1.xlarge', { gpus: 1 });
    expect(names([gpu, type('ecs.c7.xlarge')], { ...wanted, gpus: 1 })).toEqual([gpu.name]);
  });

  test('the universal family, which is sold at entry level, is not shared', () => {
    expect(names([type('ecs.u1-c1m2.xlarge', { level: 'EntryLevel' })])).toEqual(['ecs.u1-c1m2.xlarge']);
  });

  test('smallest first, newest generation first, and never too many', () => {
    const many = Array.from({ length: 300 }, (_, index) =>
      type(`ecs.c7-v${index}.2xlarge`, { vcpu: 8, memoryGiB: 16 }),
    );
    const list = names([...many, type('ecs.c7.xlarge'), type('ecs.c8i.xlarge')]);
    expect(list.slice(0, 2)).toEqual(['ecs.c8i.xlarge', 'ecs.c7.xlarge']);
    expect(list.length).toBeLessThanOrEqual(20);
  });
});

describe('the cheapest of them', () => {
  const types = ['a', 'b', 'c'].map((letter) => type(`ecs.${letter}7.xlarge`));

  test('are those whose spot price is the smallest share', () => {
    const share = new Map([
      ['ecs.a7.xlarge', 40],
      ['ecs.b7.xlarge', 15],
    ]);
    expect(cheapest(types, share)).toEqual(['ecs.b7.xlarge', 'ecs.a7.xlarge', 'ecs.c7.xlarge']);
  });

  test('count their size: twice the machine at half the share is no bargain', () => {
    const large = type('ecs.d7.2xlarge', { vcpu: 8, memoryGiB: 16 });
    const share = new Map([
      ['ecs.a7.xlarge', 20],
      ['ecs.d7.2xlarge', 11],
    ]);
    expect(cheapest([types[0]!, large], share)[0]).toBe('ecs.a7.xlarge');
  });

  test('are few, in the given order where nothing is known', () => {
    const many = Array.from({ length: 20 }, (_, index) => type(`ecs.c7-v${index}.xlarge`));
    expect(cheapest(many, new Map())).toEqual(many.slice(0, MAX_TYPES).map(({ name }) => name));
  });
});
