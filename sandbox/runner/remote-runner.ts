/**
 * `gitlab-runner run`: asks a GitLab for jobs over HTTP, runs them by the stand-in runner, and
 * reports log and end as they come.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunnerConfig } from './config-file';
import { Jobs, type Job } from './gitlab/jobs';
import type { JobPayload } from './payload';
import { Runner } from './runner';

export interface RemoteRunnerOptions {
  readonly config: RunnerConfig;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The runner's own log. */
  readonly say: (line: string) => void;
}

export interface RemoteRunner {
  /** Takes no more jobs; resolves when those under way are done and reported. */
  close(): Promise<void>;
  /** The jobs under way end at once; their cleanup still runs. */
  abort(): void;
}

const REPORT_EVERY_MS = 500;

/** What GitLab handed out lies in a list of this process's own: the runner sees no difference. */
export function startRemoteRunner({ config, environment, say }: RemoteRunnerOptions): RemoteRunner {
  const jobs = new Jobs(0, () => Date.now());
  const running = new Map<Job, Reporter>();
  const closing = new AbortController();
  const { hooks, limits, concurrency, checkEveryMs } = config;
  const runner = new Runner(jobs, { hooks, limits, concurrency, environment }, (event) => {
    if (event.type === 'runner-log') say(`job ${event.id}: ${event.text.trimEnd()}`);
  });

  async function ask(): Promise<void> {
    const answer = await post(`${config.url}/api/v4/jobs/request`, { token: config.token });
    if (answer.status !== 201) {
      if (answer.status !== 204) say(`GitLab at ${config.url} answered ${answer.status} to the request for a job`);
      return;
    }
    const payload = (await answer.json()) as JobPayload;
    say(`job ${payload.id} (${payload.job_info.name}): received`);
    const job = jobs.add(payload);
    running.set(job, new Reporter(config.url, job));
    jobs.queue(job);
  }

  const polling = (async () => {
    while (!closing.signal.aborted) {
      if (running.size < concurrency)
        await ask().catch((error: unknown) =>
          say(`GitLab at ${config.url} does not answer: ${(error as Error).message}`),
        );
      await sleep(checkEveryMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  })();

  const reported = new Set<Promise<void>>();
  jobs.on('finished', (job) => {
    const done = running
      .get(job)!
      .end()
      .then(
        () => say(`job ${job.id} (${job.payload.job_info.name}): ${job.state}`),
        (error: unknown) => say(`job ${job.id}: its end can't be reported: ${(error as Error).message}`),
      )
      .finally(() => {
        running.delete(job);
        reported.delete(done);
      });
    reported.add(done);
  });

  return {
    close: async () => {
      closing.abort();
      await polling;
      await runner.close();
      await Promise.all(reported);
    },
    abort: () => runner.interrupt(),
  };
}

/** Sends a job's log in pieces, and hears by the answer whether it was cancelled. */
class Reporter {
  private readonly stopped = new AbortController();
  private readonly sending: Promise<void>;
  private sent = 0;

  constructor(
    private readonly url: string,
    private readonly job: Job,
  ) {
    this.sending = this.sendAgainAndAgain();
  }

  async end(): Promise<void> {
    this.stopped.abort();
    await this.sending;
    await this.send();
    const { id, payload, state, failureReason, exitCode } = this.job;
    await put(`${this.url}/api/v4/jobs/${id}`, {
      token: payload.token,
      state: state === 'success' ? 'success' : 'failed',
      ...(failureReason === undefined ? {} : { failure_reason: failureReason }),
      ...(exitCode === undefined ? {} : { exit_code: exitCode }),
    });
  }

  private async sendAgainAndAgain(): Promise<void> {
    while (!this.stopped.signal.aborted) {
      await this.send().catch(() => undefined);
      await sleep(REPORT_EVERY_MS, undefined, { signal: this.stopped.signal }).catch(() => undefined);
    }
  }

  /** An empty piece asks how the job stands. */
  private async send(): Promise<void> {
    const whole = Buffer.from(this.job.trace);
    const piece = whole.subarray(this.sent);
    const answer = await fetch(`${this.url}/api/v4/jobs/${this.job.id}/trace`, {
      method: 'PATCH',
      headers: { 'JOB-TOKEN': this.job.payload.token, 'Content-Range': `${this.sent}-${whole.length}` },
      body: new Uint8Array(piece),
    });
    if (answer.status !== 202) return;
    this.sent = whole.length;
    const state = answer.headers.get('Job-Status');
    const wanted = state === 'canceling' ? 1 : state === 'canceled' ? 2 : 0;
    const now = this.job.state === 'canceling' ? 1 : this.job.state === 'canceled' ? 2 : 0;
    for (let step = now; step < wanted; step += 1) this.job.cancel();
  }
}

const post = (url: string, body: object) => send('POST', url, body);
const put = (url: string, body: object) => send('PUT', url, body);

function send(method: string, url: string, body: object): Promise<Response> {
  return fetch(url, { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
}
