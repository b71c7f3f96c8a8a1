/**
 * What a job used of its machine. An instance tells shares of itself, which are its word: between 0
 * and 1 whatever it says, and multiplied by the size that the cloud names.
 */

/** How large a machine is, as the cloud and the profile say. */
export interface MachineSize {
  readonly vcpu: number;
  readonly memoryMiB: number;
  /** Its system disk. */
  readonly diskGiB: number;
}

/** Of one stage, as the instance says; each from 0 to 1, left out: it could not tell. */
export interface StageUse {
  /** The most that was in use at a time. */
  readonly memory?: number | undefined;
  /** Of all vCPUs, from the stage's start to its end. */
  readonly cpu?: number | undefined;
  /** The system disk at the stage's end. */
  readonly disk?: number | undefined;
}

/** Of a whole job. What is left out was not told. */
export interface JobUse {
  /** The most memory that was in use at a time, the system's own included. */
  readonly memoryPeakMiB?: number | undefined;
  readonly memoryMiB?: number | undefined;
  /** Mean share of all vCPUs while stages ran, 0 to 1. */
  readonly cpuShare?: number | undefined;
  readonly vcpu?: number | undefined;
  /** The most that was in use of the system disk, the image's own files included. */
  readonly diskPeakGiB?: number | undefined;
  readonly diskGiB?: number | undefined;
}

/** What of a job's record tells its use. */
interface Told {
  readonly stages: readonly { readonly durationMs: number; readonly use?: StageUse | undefined }[];
  readonly instance?: { readonly size?: MachineSize | undefined } | undefined;
}

/** Undefined: no stage has told, or the machine's size is not known. */
export function useOf({ stages, instance }: Told): JobUse | undefined {
  const size = instance?.size;
  if (size === undefined) return undefined;
  const memory = most(stages.flatMap(({ use }) => use?.memory ?? []));
  const disk = most(stages.flatMap(({ use }) => use?.disk ?? []));
  const timed = stages.flatMap(({ use, durationMs }) => (use?.cpu === undefined ? [] : [{ cpu: use.cpu, durationMs }]));
  const totalMs = timed.reduce((sum, { durationMs }) => sum + durationMs, 0);
  if (memory === undefined && disk === undefined && totalMs === 0) return undefined;
  return {
    ...(memory === undefined ? {} : { memoryPeakMiB: Math.round(memory * size.memoryMiB), memoryMiB: size.memoryMiB }),
    ...(totalMs === 0
      ? {}
      : {
          cpuShare: rounded(timed.reduce((sum, { cpu, durationMs }) => sum + cpu * durationMs, 0) / totalMs, 3),
          vcpu: size.vcpu,
        }),
    ...(disk === undefined ? {} : { diskPeakGiB: rounded(disk * size.diskGiB, 1), diskGiB: size.diskGiB }),
  };
}

/** `peak 2.1 of 8 GiB, CPU 38 % of 4, disk 6 of 40 GiB`; '' where nothing is known. */
export function useText({ memoryPeakMiB, memoryMiB, cpuShare, vcpu, diskPeakGiB, diskGiB }: JobUse): string {
  return [
    ...(memoryPeakMiB === undefined || memoryMiB === undefined
      ? []
      : [`peak ${rounded(memoryPeakMiB / 1024, 1)} of ${rounded(memoryMiB / 1024, 1)} GiB`]),
    ...(cpuShare === undefined || vcpu === undefined ? [] : [`CPU ${Math.round(cpuShare * 100)} % of ${vcpu}`]),
    ...(diskPeakGiB === undefined || diskGiB === undefined
      ? []
      : [`disk ${Math.round(diskPeakGiB)} of ${diskGiB} GiB`]),
  ].join(', ');
}

function most(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.max(...values);
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
