import type { RunnerConfig } from '../register/config-file';
import { CHECK_INTERVAL, SHUTDOWN_TIMEOUT } from '../register/section';
import { warning, type Finding } from './finding';
import { sameRunners } from './same-runner';

export const CONDITION = 'runner configuration';
export const REGISTER = 'Run `gitlab-spot register` again: it brings the section up to date.';
/** gitlab-runner's own, where config.toml says nothing. Seconds. */
const DEFAULT_SHUTDOWN = 30;

/** Of what holds for all runners of the file. */
export function globalFindings(
  { concurrent = 1, shutdown_timeout: shutdown, check_interval: interval = 0, runners = [] }: RunnerConfig,
  file: string,
): Finding[] {
  const findings: Finding[] = [];
  if ((shutdown ?? DEFAULT_SHUTDOWN) < SHUTDOWN_TIMEOUT)
    findings.push(
      warning(
        CONDITION,
        `shutdown_timeout is ${shutdown ?? DEFAULT_SHUTDOWN} s${shutdown === undefined ? ' (not set)' : ''} in ${file}: a restart of the runner abandons its jobs without cleanup`,
        `Set it to ${SHUTDOWN_TIMEOUT}. ${REGISTER}`,
      ),
    );
  // A request for a job that GitLab holds (long polling) keeps the worker that would ask for
  // another runner.
  const distinct = sameRunners(runners).map(({ first }) => first);
  const single = distinct.filter(({ request_concurrency: requests = 1 }) => requests < 2);
  if (distinct.length > 1 && single.length > 0)
    findings.push(
      warning(
        CONDITION,
        `request_concurrency is 1 for ${single.map(({ name = '(no name)' }) => name).join(', ')} in ${file}: where GitLab holds requests for jobs, one runner's request delays the others' jobs`,
        `Set it to 2 or more. ${REGISTER}`,
      ),
    );
  if (interval <= 0 || interval > CHECK_INTERVAL)
    findings.push(
      warning(
        CONDITION,
        `check_interval is ${interval > 0 ? `${interval} s` : 'not set, which means 3 s,'} in ${file}: a job may wait that long before the runner asks for it`,
        `Set it to ${CHECK_INTERVAL}. ${REGISTER}`,
      ),
    );
  const wanted = Math.max(...runners.map(({ limit = 0 }) => limit), 0);
  if (concurrent < wanted)
    findings.push(
      warning(
        CONDITION,
        `concurrent is ${concurrent} in ${file}, below a runner's limit of ${wanted}: that many jobs never run at the same time`,
        'Raise `concurrent`, or lower the limit.',
      ),
    );
  return findings;
}
