import type { JobChoice } from '../gitlab/types';
import { JobChoiceError } from './errors';
import type { Bounds, InstanceRequirements, Profile, SizeBounds } from './types';

type SizeChoice = NonNullable<JobChoice['size']>;
type Architecture = InstanceRequirements['architecture'];

const VARIABLES = { vcpu: 'SPOT_CPU', memoryGiB: 'SPOT_MEMORY', diskGiB: 'SPOT_DISK' } as const;
const UNITS = { vcpu: 'vCPU', memoryGiB: 'GiB', diskGiB: 'GiB' } as const;
type Quantity = keyof typeof VARIABLES;

/** Names that other tools have for the same architecture. */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x86_64: 'x86_64',
  amd64: 'x86_64',
  arm64: 'arm64',
  aarch64: 'arm64',
};

/**
 * The profile in the size that the job asks for (SPOT_CPU, SPOT_MEMORY, SPOT_DISK, SPOT_ARCH). With
 * a size of its own the job's machine is chosen by size, also where the profile names types. What
 * the job leaves out is the profile's own size, or the least of its bounds.
 * @throws JobChoiceError that says the bounds
 */
export function sized(profile: Profile, size: SizeChoice | undefined): Profile {
  if (size === undefined) return profile;
  const asked = {
    vcpu: quantity('vcpu', size.vcpu, profile),
    memoryGiB: quantity('memoryGiB', size.memoryGiB, profile),
    diskGiB: quantity('diskGiB', size.diskGiB, profile),
    architecture: architecture(size.architecture, profile),
  };
  const disk = asked.diskGiB === undefined ? profile.disk : { ...profile.disk, sizeGiB: asked.diskGiB };
  if (asked.vcpu === undefined && asked.memoryGiB === undefined && asked.architecture === undefined)
    return { ...profile, disk };
  const own = ownSize(profile);
  return {
    ...profile,
    disk,
    instances: {
      vcpu: asked.vcpu ?? own.vcpu,
      memoryGiB: asked.memoryGiB ?? own.memoryGiB,
      architecture: asked.architecture ?? own.architecture,
      gpus: own.gpus,
    },
  };
}

/** A page that names types has bounds of both, so the least of them is there (profiles.ts). */
function ownSize({ instances, choose = {} }: Profile): InstanceRequirements {
  if (!('types' in instances)) return instances;
  return {
    vcpu: choose.vcpu?.least ?? 1,
    memoryGiB: choose.memoryGiB?.least ?? 1,
    architecture: choose.architectures?.[0] ?? 'x86_64',
    gpus: 0,
  };
}

/** @throws JobChoiceError */
function quantity(what: Quantity, text: string | undefined, profile: Profile): number | undefined {
  if (text === undefined) return undefined;
  const name = VARIABLES[what];
  const bounds = profile.choose?.[what];
  if (!bounds) throw noChoice(name, profile);
  const value = Number(text);
  if (/^\d{1,6}$/.test(text) && value >= bounds.least && value <= bounds.most) return value;
  throw outside(name, text, `${rangeOf(bounds)} ${UNITS[what]}`, profile);
}

/** @throws JobChoiceError */
function architecture(text: string | undefined, profile: Profile): Architecture | undefined {
  if (text === undefined) return undefined;
  const allowed = profile.choose?.architectures;
  if (!allowed) throw noChoice('SPOT_ARCH', profile);
  const key = text.toLowerCase();
  const meant = Object.hasOwn(ARCHITECTURES, key) ? ARCHITECTURES[key] : undefined;
  if (meant !== undefined && allowed.includes(meant)) return meant;
  throw outside('SPOT_ARCH', text, allowed.join(' or '), profile);
}

function rangeOf({ least, most }: Bounds): string {
  return `a whole number from ${least} to ${most}`;
}

function outside(name: string, given: string, allowed: string, profile: Profile): JobChoiceError {
  return new JobChoiceError(
    `${name} is ${JSON.stringify(given.slice(0, 40))}, and profile ${profile.name} allows ${allowed}`,
    { remedy: `Change ${name}, or choose another SPOT_PROFILE.` },
  );
}

function noChoice(name: string, profile: Profile): JobChoiceError {
  const others = describeChoices(profile.choose);
  return new JobChoiceError(
    `Profile ${profile.name} leaves no choice of ${name}${others === '' ? '' : `, only of ${others}`}`,
    { remedy: `Remove ${name}, or choose another SPOT_PROFILE.` },
  );
}

function describeChoices(choose: SizeBounds = {}): string {
  const names = (Object.keys(VARIABLES) as Quantity[]).filter((what) => choose[what]).map((what) => VARIABLES[what]);
  return [...names, ...(choose.architectures ? ['SPOT_ARCH'] : [])].join(', ');
}
