import type { StageResult } from '../../../src/jobs/types';
import { useOf, useText, type StageUse } from '../../../src/jobs/use';
import { parseRecord } from '../../../src/jobs/record-schema';
import { destroyingRecord, instanceFacts } from '../../support/job-record';

const size = { vcpu: 4, memoryMiB: 8192, diskGiB: 40 };
const stage = (durationMs: number, use?: StageUse): StageResult => ({
  stage: 'build_script',
  startedAt: '2026-11-24T12:00:00.000Z',
  durationMs,
  exitCode: 0,
  use,
});
const machine = { ...instanceFacts, size };

describe('what a job used', () => {
  test.each<[string, StageResult[], object | undefined]>([
    [
      'its largest memory and disk, and its CPU by how long each stage took',
      [stage(1_000, { memory: 0.25, cpu: 1, disk: 0.1 }), stage(3_000, { memory: 0.125, cpu: 0.2, disk: 0.15 })],
      { memoryPeakMiB: 2048, memoryMiB: 8192, cpuShare: 0.4, vcpu: 4, diskPeakGiB: 6, diskGiB: 40 },
    ],
    ['no stage has told', [stage(1_000)], undefined],
    ['a stage that was cut off tells nothing', [stage(9_000), stage(1_000, { cpu: 0.5 })], { cpuShare: 0.5, vcpu: 4 }],
    ['an instance without df', [stage(0, { memory: 1 })], { memoryPeakMiB: 8192, memoryMiB: 8192 }],
  ])('%s', (_case, stages, use) => expect(useOf({ stages, instance: machine })).toEqual(use));

  test('is unknown on a machine whose size is unknown', () =>
    expect(useOf({ stages: [stage(1_000, { memory: 0.5 })], instance: instanceFacts })).toBeUndefined());

  test('is said in one line', () => {
    expect(
      useText(useOf({ stages: [stage(1_000, { memory: 0.26, cpu: 0.38, disk: 0.15 })], instance: machine })!),
    ).toBe('peak 2.1 of 8 GiB, CPU 38 % of 4, disk 6 of 40 GiB');
    expect(useText({})).toBe('');
  });

  test('stands in the record, within bounds', () => {
    const record = { ...destroyingRecord(), stages: [stage(1_000, { memory: 0.5 })], instance: machine };
    expect(parseRecord(JSON.stringify(record))).toMatchObject({
      stages: [{ use: { memory: 0.5 } }],
      instance: { size },
    });
    const forged = { ...record, stages: [stage(1_000, { memory: 1.5 })] };
    expect(parseRecord(JSON.stringify(forged))).toBeUndefined();
  });
});
