/** The demo: a sandbox, a repository's pipeline through the real hooks, its figures, and the proof that nothing is left. */
import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { realRunner, runPipeline, standInRunner } from '../runner/run-pipeline';
import type { BillLine, CloudControl } from '../cloud/types';
import type { PipelineRequest, Project, StartRunner } from '../runner/run-pipeline';
import type { PipelineResult } from '../runner/types';
import {
  builtFolder,
  builtHooks,
  programOn,
  runnerEnvironment,
  SandboxProblem,
  sharingNote,
  STAND_INS,
  startSandbox,
  type Sandbox,
} from '../start';
import { figuresOf, ReadyTimes, table, type JobFigures } from './figures';
import { describeLeftovers, waitUntilNothingIsLeft, type Remains } from './nothing-left';
import { ownRepository } from './own-repository';
import { dockerWorks } from '../image-programs';
import { temporaryFolder } from '../temporary-folder';
import { Screen, type Output } from './screen';

export interface DemoOptions {
  readonly repo?: string | undefined;
  readonly jobs?: readonly string[] | undefined;
  readonly ref?: string | undefined;
  /** A merge request's pipeline instead of a branch's. */
  readonly mergeRequest: boolean;
  readonly variables: Readonly<Record<string, string>>;
  /** Whether `image:` and `services:` count; `auto`: where this machine's docker can be used. */
  readonly images: 'auto' | 'run' | 'skip';
  readonly concurrency: number;
  readonly verbose: boolean;
  readonly json: boolean;
  /** The sandbox's folder stays, for looking into it. */
  readonly keep: boolean;
  readonly real: boolean;
}

/** Longer than the executor's destroyer needs, shorter than patience. */
const NOTHING_LEFT_MS = 120_000;
const GRACEFUL_KILL_MS = 60_000;

/** @returns the exit code: 0 where all went well and nothing is left. */
export async function runDemo(options: DemoOptions, output: Output, progress: Output): Promise<number> {
  const hooks = builtHooks();
  const missing = Object.values(hooks)
    .flat()
    .filter((file) => !existsSync(file));
  if (missing.length > 0) throw new SandboxProblem(`${missing.join(', ')} is missing: run \`npm run build\``);
  const work = await mkdtemp(path.join(temporaryFolder(), 'gitlab-spot-demo-'));
  const screen = new Screen(progress, { verbose: options.verbose, now: () => Date.now() });
  let sandbox: Sandbox | undefined;
  try {
    const sharing = await sharingNote();
    if (sharing !== undefined) screen.say(`note: ${sharing}`);
    const docker = options.images === 'auto' ? await dockerWorks() : options.images === 'run';
    const request = await pipelineRequest(options, work, docker);
    sandbox = await startSandbox({
      directory: path.join(work, 'sandbox'),
      real: options.real,
      ...(docker ? { programs: { docker: 'host' as const } } : {}),
    });
    screen.say(`sandbox: cloud at ${sandbox.info.endpoint} (${sandbox.info.region}), repository ${request.repository}`);
    if (options.real) screen.say(`real programs: ${realPrograms().join(', ') || 'none on PATH; stand-ins for all'}`);
    return await runInSandbox(sandbox, request, options, screen, output);
  } finally {
    screen.close();
    await sandbox?.close();
    if (options.keep) progress.write(`kept: ${work}\n`);
    else await rm(work, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function runInSandbox(
  sandbox: Sandbox,
  request: PipelineRequest,
  options: DemoOptions,
  screen: Screen,
  output: Output,
): Promise<number> {
  const environment = runnerEnvironment(sandbox);
  const ready = new ReadyTimes(() => Date.now());
  const interrupts = new Interrupts(screen);
  let result: PipelineResult;
  try {
    result = await runPipeline(
      request,
      runnerFor(sandbox, environment, options),
      (event) => {
        ready.see(event);
        screen.see(event);
      },
      (project) => {
        interrupts.watch(project);
        for (const warning of project.pipeline.warnings) screen.say(`note: ${warning}`);
      },
    );
    const place = { cwd: path.resolve(builtFolder(), '../..'), env: environment };
    const remains = await waitUntilNothingIsLeft(sandbox.control, place, NOTHING_LEFT_MS, (text) => screen.say(text));
    const bill = await paid(sandbox.control);
    const figures = result.jobs.map((job) => figuresOf(job, bill, ready));
    screen.close();
    output.write(options.json ? asJson(result, figures, remains) : asText(figures, remains));
    if (interrupts.happened) return 130;
    return result.succeeded && remains.nothing ? 0 : 1;
  } finally {
    interrupts.close();
  }
}

function realPrograms(): string[] {
  return STAND_INS.map((name) => programOn(process.env['PATH'] ?? '', name)).filter((file) => file !== undefined);
}

/** The stand-in; or, where real programs are wanted and there is one, a real gitlab-runner. */
function runnerFor(sandbox: Sandbox, environment: Readonly<Record<string, string>>, options: DemoOptions): StartRunner {
  const program = options.real ? programOn(process.env['PATH'] ?? '', 'gitlab-runner') : undefined;
  const common = { hooks: builtHooks(), environment, concurrency: options.concurrency };
  if (!program) return standInRunner({ ...common, limits: { gracefulKillMs: GRACEFUL_KILL_MS } });
  const directory = path.join(sandbox.directory, 'gitlab-runner');
  return realRunner({ ...common, program, directory, gracefulKillSeconds: GRACEFUL_KILL_MS / 1000 });
}

async function pipelineRequest(options: DemoOptions, work: string, docker: boolean): Promise<PipelineRequest> {
  const repository = options.repo === undefined ? await ownRepository(work) : options.repo;
  return {
    repository: existsSync(repository) ? path.resolve(repository) : repository,
    variables: options.variables,
    withoutImages: !docker,
    ...(options.mergeRequest ? { source: 'merge_request_event' as const } : {}),
    ...(options.repo === undefined ? { projectPath: 'demo/tally' } : {}),
    ...(options.ref === undefined ? {} : { ref: options.ref }),
    ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
  };
}

function asText(figures: readonly JobFigures[], remains: Remains): string {
  const end = remains.nothing
    ? 'nothing left: no instance, no security group, no key pair, no stack'
    : `left over: ${describeLeftovers(remains).join(', ')}`;
  return `\n${table(figures)}\n\n$ pulumi stack ls\n${remains.stackList.trimEnd()}\n${end}\n`;
}

function asJson(result: PipelineResult, figures: readonly JobFigures[], remains: Remains): string {
  const jobs = result.jobs.map((job, index) => ({ ...job, figures: figures[index] }));
  const { nothing, leftovers, stacks, stackList } = remains;
  return `${JSON.stringify({ succeeded: result.succeeded && nothing, jobs, leftovers, stacks, stackList }, null, 2)}\n`;
}

/** Ctrl-C cancels the pipeline as GitLab's button does; again, the jobs stop at once. Cleanup runs either way. */
class Interrupts {
  private project: Project | undefined;
  happened = false;
  private readonly listener = () => {
    this.screen.say(
      this.happened
        ? 'stopping at once; cleanup still runs'
        : 'cancelling: running jobs end, their instances are given back (again: stop at once)',
    );
    this.happened = true;
    this.project?.cancel();
  };

  constructor(private readonly screen: Screen) {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, this.listener);
  }

  watch(project: Project): void {
    this.project = project;
    if (this.happened) setImmediate(() => project.cancel());
  }

  close(): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, this.listener);
  }
}

/** Each instance's line of the bill, with what its disk cost. */
async function paid(control: CloudControl): Promise<BillLine[]> {
  const costs = new Map((await control.costs()).map(({ instanceId, yuan }) => [instanceId, yuan]));
  return (await control.bill()).map((line) => ({ ...line, yuan: costs.get(line.instanceId) ?? line.yuan }));
}
