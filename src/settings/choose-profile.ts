import { formatDuration } from '../duration';
import type { JobContext } from '../gitlab/types';
import { counted } from '../plural';
import { sized } from './choose-size';
import { JobChoiceError } from './errors';
import type { Profile, ProfilesPage } from './types';

type ChoosingJob = Pick<JobContext, 'choice' | 'project' | 'ref' | 'verified'>;

/**
 * The profile that the job names (SPOT_PROFILE), or the default one, if the job may use it; in the
 * size that the job asks for.
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

/** A number of jobs that may run at a time, and whose. */
export interface JobCount {
  readonly of: 'profile' | 'project';
  /** For messages: `Profile gpu`. */
  readonly whose: string;
  /** Where it stands in instances.yaml. */
  readonly setting: string;
  readonly maxJobs: number;
}

/**
 * How many jobs may run at a time beside this one, by its profile and its project.
 * @throws JobChoiceError when the job's own timeout is longer than either allows
 */
export function jobCounts(
  page: ProfilesPage,
  profile: Profile,
  job: Pick<JobContext, 'project' | 'verified' | 'timeoutMs'>,
): readonly JobCount[] {
  const projects = Object.entries(page.projects ?? {});
  const limits = [
    { of: 'profile', whose: `Profile ${profile.name}`, setting: `profiles.${profile.name}`, limits: profile } as const,
    ...projects
      .filter(([pattern]) => matchesProject(pattern, job.project))
      .map(
        ([pattern, limits]) =>
          ({ of: 'project', whose: `Project ${job.project.path}`, setting: `projects.${pattern}`, limits }) as const,
      ),
  ];
  const isLimited = projects.length > 0 || profile.maxTimeoutMs !== undefined || profile.maxJobs !== undefined;
  if (isLimited && !job.verified)
    throw new JobChoiceError(
      'There are limits for this job, and this runner hands over nothing that proves whose it is',
      {
        remedy: 'Upgrade gitlab-runner to a version that writes JOB_RESPONSE_FILE.',
      },
    );
  for (const {
    whose,
    setting,
    limits: { maxTimeoutMs },
  } of limits) {
    if (maxTimeoutMs === undefined || job.timeoutMs <= maxTimeoutMs) continue;
    const most = formatDuration(maxTimeoutMs);
    throw new JobChoiceError(
      `${whose} has jobs of at most ${most}, and this one's timeout is ${formatDuration(job.timeoutMs)}`,
      {
        remedy: `Set \`timeout: ${counted(Math.floor(maxTimeoutMs / 60_000), 'minute')}\` or less for the job in .gitlab-ci.yml (${setting}.maxTimeout in instances.yaml).`,
      },
    );
  }
  return limits.flatMap(({ limits: { maxJobs }, ...rest }) => (maxJobs === undefined ? [] : [{ ...rest, maxJobs }]));
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
 * A number is a project's id, which a rename keeps. `*` is any one name, `**` any depth; `ml/*`
 * also takes projects of subgroups, as a group's members expect.
 */
function matchesProject(pattern: string, { id, path }: JobContext['project']): boolean {
  if (/^\d+$/.test(pattern)) return pattern === String(id);
  const expression = pattern
    .replace(/[.+^${}()|[\]\\-]/g, '\\$&')
    .replace(/\/\*$/, '/**')
    .replace(/\*\*|\*|\?/g, (wildcard) => ({ '**': '.*', '*': '[^/]*', '?': '[^/]' })[wildcard]!);
  return new RegExp(`^${expression}$`, 'i').test(path);
}
