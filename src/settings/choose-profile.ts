import type { JobContext } from '../gitlab/types';
import { sized } from './choose-size';
import { JobChoiceError } from './errors';
import type { Profile, ProfilesPage } from './types';

type ChoosingJob = Pick<JobContext, 'choice' | 'project' | 'ref' | 'verified'>;

/**
 * The profile that the job names (SPOT_PROFILE), or the default one, if the job may use it; in the size that the job asks for.
 * @throws JobChoiceError
 */
export function chooseProfile(page: ProfilesPage, job: ChoosingJob): Profile {
  const name = job.choice.profile ?? page.default;
  const profile = Object.hasOwn(page.profiles, name) ? page.profiles[name] : undefined;
  if (!profile) {
    throw new JobChoiceError(`There is no profile ${JSON.stringify(name.slice(0, 80))}`, {
      remedy: `Set SPOT_PROFILE to one of: ${Object.keys(page.profiles).join(', ')}.`,
    });
  }
  refuseOutsiders(profile, job);
  return sized(profile, job.choice.size);
}

/** @throws JobChoiceError */
function refuseOutsiders({ name, allow }: Profile, { project, ref, verified }: ChoosingJob): void {
  const { projects, protectedRefs, forks } = allow;
  if (projects.length === 0 && !protectedRefs) return;
  if (!verified) {
    throw new JobChoiceError(
      `Profile ${name} is restricted, and this runner hands over nothing that proves whose job it is`,
      {
        remedy: 'Upgrade gitlab-runner to a version that writes JOB_RESPONSE_FILE, or choose another SPOT_PROFILE.',
      },
    );
  }
  if (projects.length > 0 && !projects.some((pattern) => matchesProject(pattern, project))) {
    throw new JobChoiceError(`Project ${project.path} may not use profile ${name}`, {
      remedy: `It is for ${projects.join(', ')} (allow.projects in instances.yaml); ask the platform team, or choose another SPOT_PROFILE.`,
    });
  }
  if (ref.mergeRequest === 'fork' && !forks) {
    throw new JobChoiceError(`Profile ${name} is not for merge requests from forks`, {
      remedy:
        'Choose another SPOT_PROFILE for merge request pipelines; `allow.forks: true` in instances.yaml lets forks in.',
    });
  }
  if (protectedRefs && !ref.protected) {
    throw new JobChoiceError(`Profile ${name} is for protected branches and tags only, and ${ref.name} is not one`, {
      remedy: 'Protect the ref in GitLab, or choose another SPOT_PROFILE.',
    });
  }
}

/**
 * A number is a project's id, which a rename keeps. `*` is any one name, `**` any depth; `ml/*` also takes projects of subgroups, as a
 * group's members expect.
 */
function matchesProject(pattern: string, { id, path }: JobContext['project']): boolean {
  if (/^\d+$/.test(pattern)) return pattern === String(id);
  const expression = pattern
    .replace(/[.+^${}()|[\]\\-]/g, '\\$&')
    .replace(/\/\*$/, '/**')
    .replace(/\*\*|\*|\?/g, (wildcard) => ({ '**': '.*', '*': '[^/]*', '?': '[^/]' })[wildcard]!);
  return new RegExp(`^${expression}$`, 'i').test(path);
}
