import type { JobContext } from './types';

/**
 * Who started a job, for people to read: `login (user 7)`. The login is the job's own word, so it
 * never stands alone; without GitLab's number it is `login (unverified)`.
 */
export function userName({ userLogin, userId }: Pick<JobContext, 'userLogin' | 'userId'>): string {
  return userId === undefined ? userLogin && `${userLogin} (unverified)` : `${userLogin} (user ${userId})`;
}
