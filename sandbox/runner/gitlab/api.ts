/**
 * GitLab's HTTP API, as far as runners, jobs on their machines, and a client that asks about jobs
 * use it.
 */
import { gunzipSync } from 'node:zlib';
import type { IncomingMessage } from 'node:http';
import type { Job, Jobs } from './jobs';
import { uploadedFile } from './multipart';
import { FAILURE_REASONS } from './payload';

export interface ApiOptions {
  readonly jobs: Jobs;
  readonly projectId: number;
  readonly projectPath: string;
  readonly ref: () => string;
  /** What a runner shows to be handed jobs. */
  readonly runnerToken: string;
  /** What a person's or a product's client shows. */
  readonly accessToken: string;
  readonly serverUrl: () => string;
  /**
   * How long a runner's request is held while nothing has changed for it
   * (`api_ci_long_polling_duration`); left out: not at all.
   */
  readonly longPollingMs?: number;
  /** Runs a job again, as a new one. Undefined where it cannot be. */
  readonly retry: (job: Job) => Promise<Job | undefined>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const NOT_FOUND: ApiAnswer = { status: 404, body: { message: '404 Not Found' } };
const UNAUTHORIZED: ApiAnswer = { status: 401, body: { message: '401 Unauthorized' } };
const FORBIDDEN: ApiAnswer = { status: 403, body: { message: '403 Forbidden' } };

interface Call {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly body: Buffer;
  readonly match: RegExpExecArray;
}

type Handler = (call: Call) => ApiAnswer | Promise<ApiAnswer>;

export class Api {
  private readonly routes: readonly (readonly [string, RegExp, Handler])[] = [
    ['POST', /^\/api\/v4\/jobs\/request$/, (call) => this.requestJob(call)],
    ['PUT', /^\/api\/v4\/jobs\/(\d+)$/, (call) => this.withRunnersJob(call, (job) => this.update(job, call))],
    [
      'PATCH',
      /^\/api\/v4\/jobs\/(\d+)\/trace$/,
      (call) => this.withRunnersJob(call, (job) => this.appendTrace(job, call)),
    ],
    [
      'POST',
      /^\/api\/v4\/jobs\/(\d+)\/artifacts$/,
      (call) => this.withRunnersJob(call, (job) => this.upload(job, call)),
    ],
    ['GET', /^\/api\/v4\/jobs\/(\d+)\/artifacts$/, (call) => this.download(call)],
    ['POST', /^\/api\/v4\/(?:user\/runners|runners)$/, (call) => this.register(call)],
    ['POST', /^\/api\/v4\/runners\/verify$/, (call) => this.verifyRunner(call)],
    ['DELETE', /^\/api\/v4\/runners(?:\/managers)?$/, () => ({ status: 204 })],
    ['GET', /^\/api\/v4\/version$/, () => ({ status: 200, body: { version: '18.5.0', revision: 'sandbox' } })],
    ['GET', /^\/api\/v4\/job$/, (call) => this.ownJob(call)],
    [
      'GET',
      /^\/api\/v4\/projects\/([^/]+)\/jobs\/(\d+)$/,
      (call) => this.withProjectJob(call, (job) => ({ status: 200, body: this.view(job) })),
    ],
    [
      'GET',
      /^\/api\/v4\/projects\/([^/]+)\/jobs\/(\d+)\/trace$/,
      (call) => this.withProjectJob(call, (job) => ({ status: 200, body: job.trace })),
    ],
    [
      'POST',
      /^\/api\/v4\/projects\/([^/]+)\/jobs\/(\d+)\/cancel$/,
      (call) => this.withProjectJob(call, (job) => this.cancel(job), 'write'),
    ],
    [
      'POST',
      /^\/api\/v4\/projects\/([^/]+)\/jobs\/(\d+)\/retry$/,
      (call) => this.withProjectJob(call, (job) => this.retry(job), 'write'),
    ],
    ['GET', /^\/api\/v4\/projects\/([^/]+)\/jobs$/, (call) => this.list(call)],
  ];

  /** As it was registered last. */
  private runner: { readonly tags: readonly string[]; readonly untagged: boolean } | undefined;

  /** Another whenever a job becomes pending. */
  private queueValue = 1;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly options: ApiOptions) {
    options.jobs.on('pending', () => {
      this.queueValue += 1;
      for (const go of this.waiting) go();
    });
  }

  /** Resolves when a job became pending, the time is over, or whoever asked has gone. */
  private queueChanges(request: IncomingMessage, limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        this.waiting.delete(go);
        request.socket.off('close', go);
        resolve();
      };
      const timer = setTimeout(go, limitMs);
      this.waiting.add(go);
      request.socket.once('close', go);
    });
  }

  async answer(request: IncomingMessage, url: URL, body: Buffer): Promise<ApiAnswer> {
    for (const [method, pattern, handler] of this.routes) {
      const match = request.method === method ? pattern.exec(url.pathname) : null;
      if (match) return handler({ request, url, body, match });
    }
    return NOT_FOUND;
  }

  /**
   * As GitLab's workhorse and API do together: a runner that shows the queue's value of its last
   * answer is held until that changes, and then told to ask again; one with an older value, or
   * none, is answered at once.
   */
  private async requestJob({ request, body }: Call): Promise<ApiAnswer> {
    const { token, last_update: lastUpdate } = json(body);
    if (token !== this.options.runnerToken) return FORBIDDEN;
    const value = String(this.queueValue);
    if (lastUpdate === value) {
      if (this.options.longPollingMs !== undefined) await this.queueChanges(request, this.options.longPollingMs);
      return { status: 204, headers: this.queueValue === Number(value) ? { 'X-GitLab-Last-Update': value } : {} };
    }
    const job = this.options.jobs.take((one) => this.fits(one));
    return job ? { status: 201, body: job.payload } : { status: 204, headers: { 'X-GitLab-Last-Update': value } };
  }

  private withRunnersJob(call: Call, body: (job: Job) => ApiAnswer): ApiAnswer {
    const job = this.options.jobs.get(Number(call.match[1]));
    if (!job) return NOT_FOUND;
    const token = header(call, 'job-token') || String(json(call.body)['token'] ?? '');
    return token === job.payload.token ? body(job) : FORBIDDEN;
  }

  private update(job: Job, call: Call): ApiAnswer {
    const { state, failure_reason: reason, exit_code: code } = json(call.body);
    if (job.ended)
      return { status: 403, headers: this.jobHeaders(job), body: { message: '403 Forbidden  - Job is not running' } };
    if (state === 'success' || state === 'failed')
      job.finish({
        state,
        failureReason: typeof reason === 'string' ? knownReason(reason) : undefined,
        exitCode: typeof code === 'number' ? code : undefined,
      });
    return { status: 200, headers: this.jobHeaders(job), body: true };
  }

  private appendTrace(job: Job, call: Call): ApiAnswer {
    const start = Number(header(call, 'content-range').split('-')[0] || '0');
    const length = Buffer.byteLength(job.trace);
    const range = (end: number) => ({ ...this.jobHeaders(job), Range: `0-${end}` });
    if (start !== length) return { status: 416, headers: range(length) };
    job.append(call.body.toString());
    return { status: 202, headers: range(Buffer.byteLength(job.trace)) };
  }

  /** How a runner hears that its job was cancelled. */
  private jobHeaders(job: Job): Record<string, string> {
    return { 'Job-Status': job.state, 'X-GitLab-Trace-Update-Interval': '1' };
  }

  private upload(job: Job, { request, url, body }: Call): ApiAnswer {
    const file = uploadedFile(String(request.headers['content-type'] ?? ''), body);
    if (!file) return { status: 400, body: { message: '400 Bad request - file is missing' } };
    const type = url.searchParams.get('artifact_type') ?? 'archive';
    if (type === 'archive') job.archive = file;
    if (type === 'dotenv') job.dotenv = dotenvReport(file.content);
    return { status: 201, body: { message: '201 Created' } };
  }

  /** Any job of the pipeline may read another's artifacts. */
  private download(call: Call): ApiAnswer {
    const { jobs } = this.options;
    if (!jobs.byToken(header(call, 'job-token') || (call.url.searchParams.get('token') ?? ''))) return FORBIDDEN;
    const archive = jobs.get(Number(call.match[1]))?.archive;
    if (!archive) return NOT_FOUND;
    const headers = {
      'Content-Type': 'application/zip',
      'Content-Disposition': `attachment; filename="${archive.filename}"`,
    };
    return { status: 200, headers, body: archive.content };
  }

  /** Whether the registered runner may have the job. One that nobody registered has every tag. */
  private fits({ tags }: Job): boolean {
    if (!this.runner) return true;
    return tags.length === 0 ? this.runner.untagged : tags.every((tag) => this.runner?.tags.includes(tag));
  }

  private register(call: Call): ApiAnswer {
    const wanted = json(call.body);
    if (!this.hasAccess(call) && wanted['token'] !== this.options.runnerToken) return UNAUTHORIZED;
    const list = [wanted['tag_list'] ?? []].flat().map(String);
    const tags = list
      .flatMap((text) => text.split(','))
      .map((tag) => tag.trim())
      .filter((tag) => tag !== '');
    this.runner = { tags, untagged: wanted['run_untagged'] !== false || tags.length === 0 };
    return { status: 201, body: { id: 1, token: this.options.runnerToken, token_expires_at: null } };
  }

  private verifyRunner({ body }: Call): ApiAnswer {
    if (json(body)['token'] !== this.options.runnerToken) return FORBIDDEN;
    return { status: 200, body: { id: 1, token: this.options.runnerToken, token_expires_at: null } };
  }

  private ownJob(call: Call): ApiAnswer {
    const job = this.options.jobs.byToken(header(call, 'job-token'));
    return job ? { status: 200, body: this.view(job) } : UNAUTHORIZED;
  }

  private hasAccess(call: Call): boolean {
    const bearer = /^Bearer (.+)$/.exec(header(call, 'authorization'))?.[1];
    return [header(call, 'private-token'), bearer].includes(this.options.accessToken);
  }

  private isProject(wanted: string | undefined): boolean {
    const name = decodeURIComponent(wanted ?? '');
    return name === String(this.options.projectId) || name === this.options.projectPath;
  }

  /** A job's token reads, a person's also changes. */
  private withProjectJob(
    call: Call,
    body: (job: Job) => ApiAnswer | Promise<ApiAnswer>,
    need: 'read' | 'write' = 'read',
  ): ApiAnswer | Promise<ApiAnswer> {
    const byJob = need === 'read' && this.options.jobs.byToken(header(call, 'job-token')) !== undefined;
    if (!byJob && !this.hasAccess(call)) return UNAUTHORIZED;
    const job = this.isProject(call.match[1]) ? this.options.jobs.get(Number(call.match[2])) : undefined;
    return job ? body(job) : NOT_FOUND;
  }

  private list(call: Call): ApiAnswer {
    if (!this.hasAccess(call)) return UNAUTHORIZED;
    if (!this.isProject(call.match[1])) return NOT_FOUND;
    const wanted = call.url.searchParams.getAll('scope[]');
    const jobs = this.options.jobs.all().filter((job) => wanted.length === 0 || wanted.includes(job.state));
    return { status: 200, body: jobs.map((job) => this.view(job)).reverse() };
  }

  private cancel(job: Job): ApiAnswer {
    job.cancel();
    return { status: 201, body: this.view(job) };
  }

  private async retry(job: Job): Promise<ApiAnswer> {
    const again = job.ended ? await this.options.retry(job) : undefined;
    return again
      ? { status: 201, body: this.view(again) }
      : { status: 403, body: { message: '403 Forbidden - Job is not retryable' } };
  }

  private view(job: Job) {
    const time = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
    const end = job.finishedAtMs ?? Date.now();
    const { job_info: info, git_info: git } = job.payload;
    return {
      id: job.id,
      status: job.state,
      stage: info.stage,
      name: info.name,
      ref: git.ref,
      tag: git.ref_type === 'tag',
      allow_failure: false,
      created_at: time(job.createdAtMs),
      started_at: time(job.startedAtMs),
      finished_at: time(job.finishedAtMs),
      duration: job.startedAtMs === undefined ? null : (end - job.startedAtMs) / 1000,
      failure_reason: job.failureReason,
      web_url: `${this.options.serverUrl()}/${this.options.projectPath}/-/jobs/${job.id}`,
      project: { id: this.options.projectId, path_with_namespace: this.options.projectPath },
      commit: { id: git.sha, short_id: git.sha.slice(0, 8) },
    };
  }
}

function knownReason(reason: string): string {
  return FAILURE_REASONS.includes(reason) ? reason : 'unknown_failure';
}

function header(call: Call, name: string): string {
  return String(call.request.headers[name] ?? '');
}

function json(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** `KEY=value` lines, gzipped by the runner. */
function dotenvReport(content: Buffer): Record<string, string> {
  let text: string;
  try {
    text = gunzipSync(content).toString();
  } catch {
    text = content.toString();
  }
  const lines = text.split('\n').flatMap((line) => {
    const found = /^\s*(?:export\s+)?(\w+)=(.*)$/.exec(line);
    return found ? [[found[1] ?? '', (found[2] ?? '').replace(/^(['"])(.*)\1$/, '$2')] as const] : [];
  });
  return Object.fromEntries(lines);
}
