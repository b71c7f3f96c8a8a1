import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  realRunner,
  runPipeline,
  standInRunner,
  type Project,
  type StartRunner,
} from '../../sandbox/runner/run-pipeline';
import type { Hooks, JobResult, PipelineResult, RunnerEvent, RunnerOptions } from '../../sandbox/runner/types';
import {
  builtHooks,
  programOn,
  runnerEnvironment,
  startSandbox,
  type Sandbox,
  type SandboxOptions,
} from '../../sandbox/start';
import { gitlabSpot, type CommandResult } from './cli';

/**
 * SANDBOX_REAL=1: the real gitlab-runner, pulumi and provider, where they are on PATH, instead of
 * the stand-ins.
 */
const REAL = process.env.SANDBOX_REAL === '1';

/** A sandbox with the built hooks: what the end-to-end tests play in. */
export class World {
  private constructor(readonly sandbox: Sandbox) {}

  static async start(options: SandboxOptions = {}): Promise<World> {
    return new World(await startSandbox({ real: REAL, ...options }));
  }

  /** What a runner of this world starts its hooks with. */
  environment(change: Readonly<Record<string, string | undefined>> = {}): Record<string, string | undefined> {
    return { ...runnerEnvironment(this.sandbox), ...change };
  }

  /** Runs a `.gitlab-ci.yml` as a pipeline of a project of its own. */
  async pipeline(yaml: string, options: PipelineOptions = {}): Promise<PipelineResult> {
    const repository = repositoryWith({ '.gitlab-ci.yml': yaml, ...options.files });
    const common = {
      hooks: options.hooks ?? builtHooks(),
      environment: this.environment(options.environment),
      concurrency: options.concurrency ?? 2,
    };
    const program = REAL ? programOn(process.env.PATH ?? '', 'gitlab-runner') : undefined;
    const directory = mkdtempSync(path.join(this.sandbox.directory, 'gitlab-runner-'));
    const runner = program
      ? realRunner({ ...common, program, directory, gracefulKillSeconds: 60 })
      : standInRunner({
          ...common,
          limits: { retryPauseMs: 50, ...options.limits },
          ...(options.version ? { version: options.version } : {}),
        });
    try {
      const staying: StartRunner = async (project, onEvent) => {
        const { close } = await runner(project, onEvent).then((started) => ({ close: () => started.close() }));
        return { close: async () => Promise.resolve(options.stayUntil?.()).finally(close) };
      };
      const request = { repository, firstJobId: nextJobId(), variables: options.variables ?? {} };
      return await runPipeline(request, staying, options.onEvent, options.onProject);
    } finally {
      rmSync(repository, { recursive: true, force: true });
    }
  }

  /** A pipeline of one job, of which only the script matters. */
  async job(
    script: string | readonly string[],
    options: PipelineOptions & { readonly keywords?: string } = {},
  ): Promise<JobResult> {
    const lines = (typeof script === 'string' ? [script] : script).map((line) => `    - ${JSON.stringify(line)}`);
    const yaml = [
      'job:',
      '  script:',
      ...lines,
      ...(options.keywords ?? '').split('\n').map((line) => `  ${line}`),
    ].join('\n');
    return (await this.pipeline(yaml, options)).jobs[0]!;
  }

  gitlabSpot(
    args: readonly string[],
    change: Readonly<Record<string, string | undefined>> = {},
  ): Promise<CommandResult> {
    return gitlabSpot(args, this.environment(change));
  }

  /**
   * Everything a job could have left: in the cloud, in the backend, on the disk. Empty: nothing.
   */
  async leftovers(): Promise<string[]> {
    const { instances, securityGroupIds, keyPairNames } = await this.sandbox.control.leftovers();
    const inside = (...names: string[]) => filesBelow(path.join(this.sandbox.directory, ...names));
    return [
      ...instances.map(({ instanceId }) => `instance ${instanceId}`),
      ...securityGroupIds.map((id) => `security group ${id}`),
      ...keyPairNames.map((name) => `key pair ${name}`),
      ...this.inBackend().map((name) => `in the backend: ${name}`),
      ...inside('state', 'jobs').map((file) => `job file ${file}`),
    ];
  }

  /** Files and folders of the backend that have a job's name. */
  private inBackend(): string[] {
    try {
      const names = readdirSync(path.join(this.sandbox.directory, 'backend'), { recursive: true, encoding: 'utf8' });
      return names.filter((name) => /\b(job|spare)-/.test(name));
    } catch (error) {
      // A folder went while it was about to be read: not all is gone yet.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ['a folder that is being removed'];
      throw error;
    }
  }

  /** The names of the job folders on this host's disk. */
  jobFolders(): string[] {
    return readdirSync(path.join(this.sandbox.directory, 'state', 'jobs'));
  }

  /** Waits until the destroyer is through: its log is shown where it is not within the limit. */
  async nothingLeft(limitMs = 60_000): Promise<void> {
    const deadline = Date.now() + limitMs;
    let left = await this.leftovers();
    while (left.length > 0 && Date.now() < deadline) {
      await sleep(100);
      left = await this.leftovers();
    }
    if (left.length > 0) throw new Error(`left after ${limitMs / 1000} s: ${left.join(', ')}`);
  }

  close(): Promise<void> {
    return this.sandbox.close();
  }
}

export interface PipelineOptions {
  readonly files?: Readonly<Record<string, string>>;
  /** As a person gives them who starts the pipeline by hand. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly concurrency?: number;
  readonly limits?: RunnerOptions['limits'];
  readonly version?: RunnerOptions['version'];
  /** Left out: the built ones. */
  readonly hooks?: Hooks;
  readonly onEvent?: (event: RunnerEvent) => void;
  readonly onProject?: (project: Project) => void;
  /** GitLab stays that long after the last job's end. */
  readonly stayUntil?: () => Promise<void>;
}

let lastJobId = 1000;
function nextJobId(): number {
  return (lastJobId += 1000);
}

/** A git repository with these files in one commit, in a temporary folder. */
export function repositoryWith(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'repository-'));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
    writeFileSync(path.join(directory, name), content);
  }
  const git = (...args: string[]) => execFileSync('git', args, { cwd: directory, stdio: 'pipe' });
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  git('-c', 'user.name=Test', '-c', 'user.email=test@example.com', 'commit', '-qm', 'first');
  return directory;
}

/**
 * A log as a person reads it: without colours, section marks, and the times that a real runner puts
 * before each line (FF_TIMESTAMPS).
 */
export function readable(log: string): string {
  return log
    .replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z \d\d[EO][+ ]?/gm, '')
    .replace(/section_(start|end):\d+:[^\r\n]*\r/g, '')
    .replace(/\u001b\[[0-9;]*[A-Za-z]/g, '')
    .replaceAll('\r', '');
}

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}
