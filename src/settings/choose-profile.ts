import { SpotError } from '../errors';
import type { JobContext } from '../gitlab/types';
import type { Profile, ProfilesPage } from './types';

/** The job asked for something that it can't have: its own fault, and no further attempt mends it. */
export class JobChoiceError extends SpotError {
  readonly blame = 'job';
}

/**
 * The profile that the job names (SPOT_PROFILE), or the default one, if the job may use it.
 * @throws JobChoiceError
 */
export function chooseProfile(page: ProfilesPage, job: Pick<JobContext, 'choice' | 'project' | 'ref'>): Profile {
  const name = job.choice.profile ?? page.default;
  const profile = Object.hasOwn(page.profiles, name) ? page.profiles[name] : undefined;
  if (!profile) {
    throw new JobChoiceError(`There is no profile ${JSON.stringify(name.slice(0, 80))}`, {
      remedy: `Set SPOT_PROFILE to one of: ${Object.keys(page.profiles).join(', ')}.`,
    });
  }
  const { projects, protectedRefs } = profile.allow;
  if (projects.length > 0 && !projects.some((pattern) => matchesProject(pattern, job.project.path))) {
    throw new JobChoiceError(`Project ${job.project.path} may not use profile ${name}`, {
      remedy: `It is for ${projects.join(', ')} (allow.projects in instances.yaml); ask the platform team, or choose another SPOT_PROFILE.`,
    });
  }
  if (protectedRefs && !job.ref.protected) {
    throw new JobChoiceError(
      `Profile ${name} is for protected branches and tags only, and ${job.ref.name} is not one`,
      {
        remedy: 'Protect the ref in GitLab, or choose another SPOT_PROFILE.',
      },
    );
  }
  return profile;
}

/** `*` is any one name, `**` any depth; `ml/*` also takes projects of subgroups, as a group's members expect. */
function matchesProject(pattern: string, project: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\-]/g, '\\$&')
    .replace(/\/\*$/, '/**')
    .replace(/\*\*|\*|\?/g, (wildcard) => ({ '**': '.*', '*': '[^/]*', '?': '[^/]' })[wildcard]!);
  return new RegExp(`^${expression}$`, 'i').test(project);
}
