import { sized } from '../../../src/settings/choose-size';
import { JobChoiceError } from '../../../src/settings/errors';
import { parseProfiles } from '../../../src/settings/profiles';

const page = parseProfiles(
  `default: named
profiles:
  named:
    types: [ecs.c7.xlarge]
    image: base
    disk: { category: cloud_essd, performanceLevel: PL0, sizeGiB: 40 }
    choose: { vcpu: 2..16, memoryGiB: 4..64, diskGiB: 40..200, architectures: [x86_64, arm64] }
  bySize: { vcpu: 4, memoryGiB: 8, gpus: 1, choose: { memoryGiB: 8..32 } }
  fixed: { types: [ecs.c7.large] }
`,
  'instances.yaml',
);
const { named, bySize, fixed } = page.profiles as Record<'named' | 'bySize' | 'fixed', (typeof page.profiles)[string]>;

describe('a job’s size', () => {
  test('that asks for nothing is the profile’s', () => {
    expect(sized(named, undefined)).toBe(named);
    expect(sized(fixed, undefined)).toBe(fixed);
    expect(sized(named, {})).toEqual(named);
  });

  test('replaces the named types, with the least of what it leaves out', () => {
    expect(sized(named, { vcpu: '8' })).toEqual({
      ...named,
      instances: { vcpu: 8, memoryGiB: 4, architecture: 'x86_64', gpus: 0 },
    });
    expect(sized(named, { memoryGiB: '16', architecture: 'AArch64' }).instances).toEqual({
      vcpu: 2,
      memoryGiB: 16,
      architecture: 'arm64',
      gpus: 0,
    });
  });

  test('keeps what a profile by size says', () => {
    expect(sized(bySize, { memoryGiB: '32' }).instances).toEqual({
      vcpu: 4,
      memoryGiB: 32,
      architecture: 'x86_64',
      gpus: 1,
    });
  });

  test('of the disk alone leaves the types, and the disk’s kind', () => {
    expect(sized(named, { diskGiB: '200' })).toEqual({
      ...named,
      disk: { category: 'cloud_essd', performanceLevel: 'PL0', sizeGiB: 200 },
    });
  });

  const WHOLE = 'and profile named allows a whole number from';
  test.each([
    [named, { vcpu: '32' }, `SPOT_CPU is "32", ${WHOLE} 2 to 16 vCPU`],
    [named, { vcpu: '1' }, `SPOT_CPU is "1", ${WHOLE} 2 to 16 vCPU`],
    [named, { memoryGiB: '16GiB' }, `SPOT_MEMORY is "16GiB", ${WHOLE} 4 to 64 GiB`],
    [named, { memoryGiB: '1e1' }, `SPOT_MEMORY is "1e1", ${WHOLE} 4 to 64 GiB`],
    [named, { diskGiB: '-40' }, `SPOT_DISK is "-40", ${WHOLE} 40 to 200 GiB`],
    [named, { diskGiB: '$(id)\n' }, `SPOT_DISK is "$(id)\\n", ${WHOLE} 40 to 200 GiB`],
    [named, { architecture: 'constructor' }, 'SPOT_ARCH is "constructor", and profile named allows x86_64 or arm64'],
    [bySize, { vcpu: '8' }, 'Profile bySize leaves no choice of SPOT_CPU, only of SPOT_MEMORY'],
    [fixed, { diskGiB: '60' }, 'Profile fixed leaves no choice of SPOT_DISK'],
    [fixed, { architecture: 'arm64' }, 'Profile fixed leaves no choice of SPOT_ARCH'],
  ])('outside of the bounds is the job’s own fault, and says them: %#', (profile, size, message) => {
    const ask = () => sized(profile, size);
    expect(ask).toThrow(JobChoiceError);
    expect(ask).toThrow(new JobChoiceError(message));
  });
});
