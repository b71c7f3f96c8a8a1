/**
 * The demo: a sandbox, a repository's pipeline through the real hooks, its figures, and the proof
 * that nothing is left.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { realRunner, runPipeline, standInRunner } from '../runner/run-pipeline';
import type { BillLine, CloudControl } from '../cloud/types';
import type { PipelineRequest, StartRunner } from '../runner/run-pipeline';
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
import { FaultPlay, faults, type FaultName, type Verdict } from './faults';
import { Interrupts } from './interrupts';
import { Screen } from './screen';
import { folded, terminalOf, type Output } from './terminal';

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
  /** What goes wrong, with a pipeline made for it. */
  readonly fault?: FaultName | undefined;
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
  const screen = new Screen(progress, {
    verbose: options.verbose,
    now: () => Date.now(),
    variables: process.env,
  });
  const interrupts = new Interrupts(screen);
  const work = await mkdtemp(path.join(temporaryFolder(), 'gitlab-spot-demo-'));
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
    if (interrupts.exitCode !== undefined) return interrupts.exitCode;
    return await runInSandbox(sandbox, request, options, { screen, output, interrupts });
  } catch (error) {
    // A terminal's Ctrl-C also ends what the demo has started.
    if (interrupts.exitCode !== undefined) return interrupts.exitCode;
    throw error;
  } finally {
    screen.close();
    await sandbox?.close();
    if (options.keep) progress.write(`kept: ${work}\n`);
    else await rm(work, { recursive: true, force: true, maxRetries: 3 });
    interrupts.close();
  }
}

async function runInSandbox(
  sandbox: Sandbox,
  request: PipelineRequest,
  options: DemoOptions,
  { screen, output, interrupts }: { screen: Screen; output: Output; interrupts: Interrupts },
): Promise<number> {
  const environment = runnerEnvironment(sandbox);
  const ready = new ReadyTimes(() => Date.now());
  const play = await startFault(options, sandbox, screen);
  const result = await runPipeline(
    request,
    runnerFor(sandbox, environment, options),
    (event) => {
      ready.see(event);
      screen.see(event);
      play?.see(event);
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
  if (interrupts.exitCode === undefined && play) {
    const verdict = await play.verdict(result);
    output.write(options.json ? asJson(result, figures, remains, verdict) : asText(figures, remains, output, verdict));
    return verdict.held && remains.nothing ? 0 : 1;
  }
  output.write(options.json ? asJson(result, figures, remains) : asText(figures, remains, output));
  return interrupts.exitCode ?? (result.succeeded && remains.nothing ? 0 : 1);
}

async function startFault(
  { fault: name }: DemoOptions,
  sandbox: Sandbox,
  screen: Screen,
): Promise<FaultPlay | undefined> {
  if (name === undefined) return undefined;
  const fault = faults[name];
  const place = {
    control: sandbox.control,
    stateDir: sandbox.environment.GITLAB_SPOT_STATE_DIR,
    say: (text: string) => screen.say(text),
  };
  screen.say(`${name}: ${fault.title}`);
  await fault.prepare?.(place);
  return new FaultPlay(fault, place);
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
  const pipeline = options.fault && faults[options.fault].pipeline;
  const repository = options.repo === undefined ? await ownRepository(work, pipeline) : options.repo;
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

function asText(figures: readonly JobFigures[], remains: Remains, output: Output, verdict?: Verdict): string {
  const end = remains.nothing
    ? 'nothing left: no instance, no security group, no key pair, no stack'
    : `left over: ${describeLeftovers(remains).join(', ')}`;
  const { columns } = terminalOf(output, process.env);
  const told = verdict
    ? `\n${verdict.lines.map((line) => folded(line, columns)).join('\n')}\n${verdict.held ? 'As it should be.' : 'Not as it should be.'}\n`
    : '';
  const figuresText = table(figures, columns);
  return `\n${figuresText}\n\n$ pulumi stack ls\n${remains.stackList.trimEnd()}\n${end}\n${told}`;
}

function asJson(result: PipelineResult, figures: readonly JobFigures[], remains: Remains, fault?: Verdict): string {
  const jobs = result.jobs.map((job, index) => ({ ...job, figures: figures[index] }));
  const { nothing, leftovers, stacks, stackList } = remains;
  return `${JSON.stringify({ succeeded: result.succeeded && nothing, jobs, leftovers, stacks, stackList, fault }, null, 2)}\n`;
}

/** Each instance's line of the bill, with what its disk cost. */
async function paid(control: CloudControl): Promise<BillLine[]> {
  const costs = new Map((await control.costs()).map(({ instanceId, yuan }) => [instanceId, yuan]));
  return (await control.bill()).map((line) => ({ ...line, yuan: costs.get(line.instanceId) ?? line.yuan }));
}
