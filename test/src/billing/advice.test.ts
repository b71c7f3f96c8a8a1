import { advise, adviceText } from '../../../src/billing/advice';
import type { LedgerEntry } from '../../../src/billing/types';
import type { JobUse } from '../../../src/jobs/use';
import { parseProfiles } from '../../../src/settings/profiles';
import { ledgerEntry } from '../../support/ledger-entry';

const page = (extra = '') =>
  Object.values(
    parseProfiles(
      `default: standard
profiles:
  standard: { vcpu: 4, memoryGiB: 8, image: m-1, disk: { sizeGiB: 40 }${extra} }
  small: { vcpu: 2, memoryGiB: 4, image: m-1, disk: { sizeGiB: 40 } }
  large: { vcpu: 8, memoryGiB: 16, image: m-1, disk: { sizeGiB: 80 } }
  arm: { vcpu: 2, memoryGiB: 4, architecture: arm64, image: m-1 }
  gpu: { vcpu: 2, memoryGiB: 4, gpus: 1, image: m-1 }
  secret: { vcpu: 1, memoryGiB: 2, image: m-1, allow: { protectedRefs: true } }
`,
      'instances.yaml',
    ).profiles,
  );
const used: JobUse = {
  memoryPeakMiB: 2048,
  memoryMiB: 8192,
  cpuShare: 0.2,
  vcpu: 4,
  diskPeakGiB: 6,
  diskGiB: 40,
};

/** So many runs of 1 yuan and an hour each. */
function runs(count: number, use: Partial<JobUse> = {}, change: Partial<LedgerEntry> = {}): readonly LedgerEntry[] {
  return Array.from({ length: count }, (_, index) =>
    ledgerEntry({
      stack: `job-${index}`,
      instanceId: `i-${index}`,
      seconds: 3600,
      yuan: 1,
      use: { ...used, ...use },
      ...change,
    }),
  );
}

describe('advice', () => {
  test.each<[string, readonly LedgerEntry[], { to: string; kind?: string; yuan?: number } | undefined]>([
    // Half the price, 1.2 times as long: 0.6 of 20 yuan is paid.
    ['a smaller profile would do', runs(20), { to: 'small', kind: 'smaller', yuan: 8 }],
    ['nine runs tell nothing', runs(9), undefined],
    ['nor do ten that failed', runs(10, {}, { result: 'failed' }), undefined],
    ['nor ten that were taken back', runs(10, {}, { interrupted: true }), undefined],
    ['nor ten whose project is the job’s own word', runs(20, {}, { verified: false }), undefined],
    ['nor ten without a figure for the disk', runs(20, { diskPeakGiB: undefined }), undefined],
    ['one run in twenty needs more memory', [...runs(19), ...runs(1, { memoryPeakMiB: 3200 })], undefined],
    ['memory within the margin of 30 %', runs(20, { memoryPeakMiB: 3150 }), { to: 'small' }],
    ['its CPUs are busy for more than 30 % of the time', runs(20, { cpuShare: 0.35 }), undefined],
    ['its disk would not do', runs(20, { diskPeakGiB: 31 }), undefined],
    ['a yuan a month is not worth a change', runs(20, {}, { yuan: 0.1 }), undefined],
    [
      'its memory is nearly full',
      runs(20, { memoryPeakMiB: 7800, cpuShare: 0.9 }),
      { to: 'large', kind: 'larger', yuan: -20 },
    ],
    ['its disk is nearly full', runs(20, { diskPeakGiB: 37 }), { to: 'large', kind: 'larger' }],
    ['a job on ARM is told of ARM alone', runs(20, {}, { instanceType: 'ecs.c8y.xlarge' }), undefined],
    ['a job with a GPU stays with one', runs(20, {}, { instanceType: 'ecs.gn6i-c4g1.xlarge' }), { to: 'gpu' }],
  ])('%s', (_case, entries, advice) => {
    const [first, ...more] = advise(
      entries,
      page().filter(({ name }) => name !== 'arm' || entries[0]!.instanceType !== 'ecs.c8y.xlarge'),
    );
    if (advice === undefined) expect(first).toBeUndefined();
    else expect(first).toMatchObject(advice);
    expect(more).toEqual([]);
  });

  test('goes by what the other profile has cost, where it ran', () => {
    const dear = runs(
      10,
      { memoryMiB: 4096, vcpu: 2, memoryPeakMiB: 3900 },
      { profile: 'small', jobName: 'other', yuan: 0.9 },
    );
    expect(advise([...runs(20), ...dear], page()).map(({ jobName, to }) => [jobName, to])).toEqual([
      ['other', 'standard'],
    ]);
  });

  test('tells of a size that the job may choose', () => {
    const chooses = page(', choose: { vcpu: 2..4, memoryGiB: 4..8 }').filter(({ name }) => name === 'standard');
    expect(advise(runs(20), chooses)).toMatchObject([{ to: 'SPOT_CPU: 2, SPOT_MEMORY: 4', yuan: 8 }]);
  });

  test('is one sentence', () =>
    expect(adviceText(advise(runs(20), page())[0]!, 'CNY')).toBe(
      'team/app build: small would do instead of standard (peak 2 of 8 GiB, CPU 20 % of 4, disk 6 of 40 GiB, in 20 runs): saves about 8.00 yuan in 30 days',
    ));
});
