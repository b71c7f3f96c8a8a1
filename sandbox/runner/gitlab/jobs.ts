/**
 * The jobs that GitLab knows, each with its state, log and artifacts; runners take pending ones and
 * report back.
 */
import { EventEmitter } from 'node:events';
import type { JobPayload } from '../payload';
import type { JobState } from '../types';

export interface JobReport {
  readonly state: 'success' | 'failed';
  readonly failureReason?: string | undefined;
  readonly exitCode?: number | undefined;
}

export interface Archive {
  readonly filename: string;
  readonly content: Buffer;
}

/** `canceling`: the runner is told to end the script; `canceled` while it runs: to stop at once. */
export type GitLabState = JobState | 'pending' | 'canceling';

export class Job {
  state: GitLabState = 'pending';
  trace = '';
  archive: Archive | undefined;
  /** Variables that a dotenv report handed on. */
  dotenv: Readonly<Record<string, string>> = {};
  failureReason: string | undefined;
  exitCode: number | undefined;
  startedAtMs: number | undefined;
  finishedAtMs: number | undefined;
  readonly createdAtMs: number;

  constructor(
    readonly payload: JobPayload,
    /** What a runner must be tagged with to take it. */
    readonly tags: readonly string[],
    private readonly events: EventEmitter,
    private readonly now: () => number,
  ) {
    this.createdAtMs = now();
  }

  get id(): number {
    return this.payload.id;
  }

  get ended(): boolean {
    return this.finishedAtMs !== undefined;
  }

  start(): void {
    this.startedAtMs = this.now();
    this.change('running');
  }

  append(text: string): void {
    this.trace += text;
    this.events.emit('trace', this, text);
  }

  /**
   * The runner's last word. A job that was being cancelled is canceled, whatever the runner says.
   */
  finish(report: JobReport): void {
    if (this.ended) return;
    this.finishedAtMs = this.now();
    this.failureReason = report.failureReason;
    this.exitCode = report.exitCode;
    this.change(this.state === 'canceling' || this.state === 'canceled' ? 'canceled' : report.state);
    this.events.emit('finished', this);
  }

  /**
   * As the button does: gracefully the first time, at once the second; a job that nobody took is
   * just canceled.
   */
  cancel(): void {
    if (this.ended) return;
    if (this.state === 'pending') {
      this.finishedAtMs = this.now();
      this.change('canceled');
      this.events.emit('finished', this);
    } else this.change(this.state === 'running' ? 'canceling' : 'canceled');
  }

  private change(state: GitLabState): void {
    this.state = state;
    this.events.emit('state', this);
  }
}

export class Jobs {
  private readonly events = new EventEmitter();
  private readonly byId = new Map<number, Job>();
  private readonly waiting: Job[] = [];
  private lastId: number;

  constructor(
    firstId: number,
    private readonly now: () => number,
  ) {
    this.lastId = firstId - 1;
    this.events.setMaxListeners(0);
  }

  newId(): number {
    this.lastId += 1;
    return this.lastId;
  }

  /** A job that no runner sees before it is queued. */
  add(payload: JobPayload, tags: readonly string[] = []): Job {
    const job = new Job(payload, tags, this.events, this.now);
    this.byId.set(job.id, job);
    return job;
  }

  /** From here on a runner may take it. */
  queue(job: Job): void {
    this.waiting.push(job);
    this.events.emit('pending', job);
  }

  /** The oldest pending job that the runner may have, which is the runner's from now on. */
  take(may: (job: Job) => boolean = () => true): Job | undefined {
    const at = this.waiting.findIndex((job) => job.state === 'pending' && may(job));
    const [job] = at < 0 ? [] : this.waiting.splice(at, 1);
    job?.start();
    return job;
  }

  get(id: number): Job | undefined {
    return this.byId.get(id);
  }

  byToken(token: string): Job | undefined {
    return [...this.byId.values()].find((job) => job.payload.token === token);
  }

  all(): Job[] {
    return [...this.byId.values()];
  }

  on(event: 'pending' | 'state' | 'finished', listener: (job: Job) => void): () => void;
  on(event: 'trace', listener: (job: Job, text: string) => void): () => void;
  on(event: string, listener: (job: Job, text: string) => void): () => void {
    this.events.on(event, listener);
    return () => this.events.off(event, listener);
  }
}
