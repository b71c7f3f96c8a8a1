import type { ParsedProfile } from './profile-schema';
import type { Bounds, Profile } from './types';

/** `choose` of a profile: what a job may ask for. */
export function boundsOf({ choose }: ParsedProfile): Pick<Profile, 'choose'> {
  if (!choose) return {};
  const { vcpu, memoryGiB, diskGiB, architectures } = choose;
  return {
    choose: {
      ...(vcpu && { vcpu: toBounds(vcpu) }),
      ...(memoryGiB && { memoryGiB: toBounds(memoryGiB) }),
      ...(diskGiB && { diskGiB: toBounds(diskGiB) }),
      ...(architectures && { architectures }),
    },
  };
}

/** The schema has held the text to `2..16`. */
function toBounds(text: string): Bounds {
  const [least, most] = text.split('..').map(Number) as [number, number];
  return { least, most };
}

/**
 * What the cloud has: vCPUs and GiB of its largest types, GiB of the largest disk that the page
 * takes.
 */
const MOST = { vcpu: 512, memoryGiB: 8192, diskGiB: 2048 } as const;

/** What the schema can't say of `choose`. @param leastDiskGiB of the profile's kind of disk */
export function choiceProblems(name: string, profile: ParsedProfile, leastDiskGiB: number): string[] {
  const { choose } = profile;
  if (!choose) return [];
  const at = `profiles.${name}.choose`;
  const problems = (Object.keys(MOST) as (keyof typeof MOST)[]).flatMap((what) => {
    const text = choose[what];
    if (text === undefined) return [];
    const { least, most } = toBounds(text);
    const lowest = what === 'diskGiB' ? leastDiskGiB : 1;
    if (least <= most && least >= lowest && most <= MOST[what]) return [];
    return [`${at}.${what} must be bounds from ${lowest} to ${MOST[what]}, the least first, but is "${text}"`];
  });
  // Beside named types a size of the job's own has no other measure for what the job leaves out.
  const bySize = (choose.vcpu ?? choose.memoryGiB ?? choose.architectures) !== undefined;
  const whole = choose.vcpu !== undefined && choose.memoryGiB !== undefined;
  if (profile.types !== undefined && bySize && !whole)
    problems.push(`${at} needs vcpu and memoryGiB together where the profile names types`);
  return problems;
}
