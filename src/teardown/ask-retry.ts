import { setTimeout as sleep } from 'node:timers/promises';
import { gitlabApi } from '../gitlab/api';
import type { JobRecord } from '../jobs/types';
import { placementDirectory, PlacementMemory } from '../placement';
import type { Settings } from '../settings/types';
import type { Fetch } from '../web/fetch';

export interface AskRetryDependencies {
  readonly log: (line: string) => void;
  readonly now: () => number;
  readonly fetch: Fetch;
  readonly pause?: (milliseconds: number) => Promise<unknown>;
}

/** GitLab marks the job as failed when the runner reports it, a moment after cleanup. */
const LIMIT_MS = 60_000;
const POLL_MS = 1_000;

/**
 * Asks GitLab to run a job again whose spot instance was taken back: only where GITLAB_SPOT_RETRY
 * says so, once in the life of the job in its pipeline, and not where its author forbade it
 * (SPOT_NO_RETRY). The new job has the rights of the token's owner (Ci::CloneJobService), so
 * GitLab's own `retry:`, which keeps the user, is the usual way. Never throws: a job that is not
 * run again is told in the log, and costs nothing else.
 */
export async function askRetry(
  record: JobRecord,
  settings: Settings,
  { log, now, fetch, pause = sleep }: AskRetryDependencies,
): Promise<void> {
  const { token, url, retry } = settings.gitlab;
  // Only to the GitLab that the platform team names: never to one that a job speaks of.
  if (record.phase !== 'destroying' || !record.askRetry || !retry || token === undefined || url === undefined) return;
  if (new URL(url).host.toLowerCase() !== record.identity.serverHost.split('/')[0]) return;
  const { jobId, stackName } = record.identity;
  const losses = await new PlacementMemory(placementDirectory(settings), now).losses(record.jobKey ?? '');
  if (losses.length > 1)
    return log(
      `${stackName}: was run again once already after an interruption; now it is GitLab's own \`retry\` that decides`,
    );
  const api = gitlabApi({ url, token, fetch });
  try {
    const deadlineMs = now() + LIMIT_MS;
    for (;;) {
      const word = await api.job(record.projectId ?? record.project, jobId);
      if (word.state === 'missing') return;
      if (word.state === 'over') {
        // If a person cancelled it, say, that person does not want it again.
        if (word.status !== 'failed') return;
        break;
      }
      if (now() > deadlineMs)
        return log(
          `${stackName}: GitLab did not take the job for failed within ${LIMIT_MS / 1000} s, so it is not run again`,
        );
      await pause(POLL_MS);
    }
    const again = await api.retry(record.projectId ?? record.project, jobId);
    log(
      again
        ? `${stackName}: GitLab runs the job again, since its instance was taken back`
        : `${stackName}: GitLab runs the job again already`,
    );
  } catch (error) {
    log(`${stackName}: the job could not be run again: ${(error as Error).message}`);
  }
}
