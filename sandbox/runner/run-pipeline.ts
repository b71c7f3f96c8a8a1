/**
 * From a repository to a pipeline's result: GitLab on loopback, the stand-in runner, and the hooks
 * that it drives.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Jobs } from './gitlab/jobs';
import { jobPayload } from './gitlab/payload';
import { PipelineRun } from './gitlab/pipeline-run';
import { git, Repository, uncommittedFiles } from './gitlab/repository';
import { startGitLab, type GitLabServer } from './gitlab/server';
import type { PipelineFacts, PipelineSource } from './pipeline/facts';
import type { JobDefinition, Pipeline } from './pipeline/job-definition';
import { readPipeline } from './pipeline/pipeline';
import { invalid } from './pipeline/problem';
import { startRealRunner, type RealRunnerOptions, type RunningRunner } from './real-runner';
import { Runner } from './runner';
import type { PipelineResult, RunnerEvent, RunnerOptions } from './types';

export const RUNNER_TOKEN = 'glrt-sandbox';
export const ACCESS_TOKEN = 'glpat-sandbox';
const PROJECT_ID = 42;
/** As deploy/gitlab has it. */
const LONG_POLLING_MS = 50_000;
/** A delayed job waits no longer here, whatever its `start_in`. */
const LONGEST_DELAY_MS = 5_000;

export interface PipelineRequest {
  /** A folder with a git repository, or a URL that git can clone. */
  readonly repository: string;
  /** `group/project`; left out: `root/` and the repository's own name. */
  readonly projectPath?: string;
  readonly ref?: string;
  /**
   * How the pipeline came about; `merge_request_event`: one of the branch into the default branch.
   * Left out: push.
   */
  readonly source?: PipelineSource;
  /** Only these jobs (by either name), without waiting for others; left out: the whole pipeline. */
  readonly jobs?: readonly string[];
  /** Variables as one gives them when starting a pipeline by hand. */
  readonly variables?: Readonly<Record<string, string>>;
  /**
   * Jobs run on the instance itself: `image:` and `services:` are passed over, and that is said.
   */
  readonly withoutImages?: boolean;
  readonly firstJobId?: number;
  /** GitLab's port; left out: a free one. */
  readonly port?: number;
}

/** A project on a GitLab of its own, and one pipeline of it. */
export class Project {
  private lastRun: PipelineRun | undefined;

  private constructor(
    readonly gitlab: GitLabServer,
    readonly jobs: Jobs,
    readonly pipeline: Pipeline,
    private readonly facts: PipelineFacts,
    private readonly repository: Repository,
    private readonly folder: string,
  ) {}

  /** @throws RepositoryProblem, InvalidPipeline */
  static async open(request: PipelineRequest): Promise<Project> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'sandbox-gitlab-'));
    const firstId = request.firstJobId ?? 1000;
    const jobs = new Jobs(firstId, () => Date.now());
    let gitlab: GitLabServer | undefined;
    let project: Project | undefined;
    try {
      const projectPath = request.projectPath ?? `root/${repositoryName(request.repository)}`;
      const repository = await Repository.import(request.repository, folder, projectPath);
      const source = request.source ?? 'push';
      const head = await repository.commit(request.ref);
      const { commit, request: mergeRequest } =
        source === 'merge_request_event' ? await repository.mergeRequest(head) : { commit: head, request: undefined };
      gitlab = await startGitLab({
        jobs,
        projectId: PROJECT_ID,
        projectPath,
        ref: () => commit.ref,
        runnerToken: RUNNER_TOKEN,
        accessToken: ACCESS_TOKEN,
        repositories: folder,
        longPollingMs: LONG_POLLING_MS,
        retry: (job) => project?.lastRun?.retry(job) ?? Promise.resolve(undefined),
        ...(request.port === undefined ? {} : { port: request.port }),
      });
      const facts: PipelineFacts = {
        projectId: PROJECT_ID,
        projectPath,
        serverUrl: gitlab.url,
        pipelineId: firstId,
        given: request.variables ?? {},
        commitMessage: commit.message,
        commitAuthor: commit.author,
        commitTimestamp: commit.timestamp,
        ...commit,
        source,
        mergeRequest,
        protectedRef: mergeRequest === undefined && commit.ref === commit.defaultBranch,
      };
      await git(['update-ref', `refs/pipelines/${facts.pipelineId}`, commit.sha], repository.directory);
      const whole = readPipeline(await repository.files(commit.sha), facts);
      const chosen = request.jobs ? onlyJobs(whole, request.jobs) : whole;
      const uncommitted = await uncommittedFiles(request.repository);
      const pipeline = withNotes(request.withoutImages ? withoutImages(chosen) : chosen, uncommitted);
      project = new Project(gitlab, jobs, pipeline, facts, repository, folder);
      return project;
    } catch (error) {
      await gitlab?.close();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Runs the pipeline; whoever takes its jobs is started before. */
  async run(onEvent: (event: RunnerEvent) => void): Promise<PipelineResult> {
    const runnerTags = [...new Set(this.pipeline.jobs.flatMap((job) => job.tags))].sort();
    const run = new PipelineRun({
      pipeline: this.pipeline,
      jobs: this.jobs,
      submit: async (definition, dependencies, handedOn) =>
        this.jobs.add(
          await jobPayload({
            id: this.jobs.newId(),
            job: definition,
            facts: this.facts,
            dependencies,
            handedOn,
            runnerTags,
            lastChange: (files) => this.repository.lastChange(this.facts.sha, files),
            nowMs: Date.now(),
          }),
          definition.tags,
        ),
      delay: (seconds) => sleep(Math.min(seconds * 1000, LONGEST_DELAY_MS), undefined, { ref: false }),
      onState: (node) => {
        const id = node.attempts.at(-1)?.id ?? 0;
        onEvent({ type: 'job-state', name: node.definition.name, id, state: node.state });
      },
    });
    this.lastRun = run;
    const stop = this.jobs.on('trace', (job, text) =>
      onEvent({ type: 'log', id: job.id, name: job.payload.job_info.name, text }),
    );
    try {
      return await run.run();
    } finally {
      stop();
    }
  }

  /** As the pipeline's cancel button; pressed again, the jobs stop at once. */
  cancel(): void {
    this.lastRun?.cancel();
  }

  async close(): Promise<void> {
    await this.gitlab.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Whoever takes a project's jobs, until it is closed. */
export type StartRunner = (project: Project, onEvent: (event: RunnerEvent) => void) => Promise<RunningRunner>;

export function standInRunner(options: RunnerOptions): StartRunner {
  return (project, onEvent) => Promise.resolve(new Runner(project.jobs, options, onEvent));
}

export function realRunner(options: Omit<RealRunnerOptions, 'gitlabUrl' | 'token'>): StartRunner {
  return (project) => startRealRunner({ ...options, gitlabUrl: project.gitlab.url, token: RUNNER_TOKEN });
}

/**
 * Opens the project, starts its runner, runs its pipeline, and closes both. `onProject` gets hold
 * of it, to cancel it.
 */
export async function runPipeline(
  request: PipelineRequest,
  startRunner: StartRunner,
  onEvent: (event: RunnerEvent) => void = () => undefined,
  onProject: (project: Project) => void = () => undefined,
): Promise<PipelineResult> {
  const project = await Project.open(request);
  const runner = await startRunner(project, onEvent);
  try {
    onProject(project);
    return await project.run(onEvent);
  } finally {
    await runner.close();
    await project.close();
  }
}

function repositoryName(source: string): string {
  const name = path.basename(source.replace(/[\\/]+$/, '').replace(/\/?\.git$/, ''));
  return name.replace(/[^\w.-]/g, '-') || 'project';
}

/** A part of the pipeline: the chosen jobs wait for each other, but for nobody else. */
function onlyJobs(pipeline: Pipeline, names: readonly string[]): Pipeline {
  const chosen = pipeline.jobs.filter((job) => names.includes(job.name) || names.includes(job.baseName));
  const unknown = names.filter((name) => !pipeline.jobs.some((job) => job.name === name || job.baseName === name));
  if (unknown.length > 0) {
    const known = [...new Set(pipeline.jobs.map((job) => job.baseName))].join(', ');
    throw invalid('--job', `there is no job ${unknown.join(', ')} in this pipeline; it has ${known}`);
  }
  const kept = new Set(chosen.map((job) => job.name));
  const jobs = chosen.map((job): JobDefinition => {
    const when = job.when === 'manual' ? 'on_success' : job.when;
    const needs = job.needs?.map((need) => ({ ...need, jobs: need.jobs.filter((name) => kept.has(name)) }));
    return { ...job, when, needs };
  });
  return { ...pipeline, jobs };
}

/** What the sandbox does otherwise than GitLab, so that nobody has to guess. */
function withNotes(pipeline: Pipeline, uncommitted: number): Pipeline {
  const tags = [...new Set(pipeline.jobs.flatMap((job) => job.tags))];
  const late = pipeline.jobs.filter((job) => (job.startInSeconds ?? 0) * 1000 > LONGEST_DELAY_MS);
  const delayed = [...new Set(late.map((job) => job.baseName))].join(', ');
  return {
    ...pipeline,
    warnings: [
      ...(uncommitted > 0
        ? [`${uncommitted} files have changes that are not committed; the pipeline is of the last commit`]
        : []),
      ...pipeline.warnings,
      ...(tags.length > 0 ? [`tags: jobs ask for ${tags.join(', ')}; the demo's own runner has every tag`] : []),
      ...(late.length > 0 ? [`job ${delayed}: start_in: starts after ${LONGEST_DELAY_MS / 1000} s here`] : []),
    ],
  };
}

function withoutImages(pipeline: Pipeline): Pipeline {
  const concerned = pipeline.jobs.filter((job) => job.image || job.services.length > 0);
  if (concerned.length === 0) return pipeline;
  const names = [...new Set(concerned.map((job) => job.baseName))].join(', ');
  const warning = `job ${names}: image and services are passed over, the script runs on the instance itself`;
  const jobs = pipeline.jobs.map((job) => ({ ...job, image: undefined, services: [] }));
  return { ...pipeline, jobs, warnings: [...pipeline.warnings, warning] };
}
