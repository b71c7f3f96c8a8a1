import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BenchJob } from './bench-job';
import { figure, round, type Figure } from './figures';
import { empty, NONE, setPace, used, type Place } from './place';
import { stage } from './one-job';

const LEDGER_ENTRIES = 10_000;
/** Of which today's, each still a file of its own; those of past days are folded. */
const TODAY = 2_000;
const STACKS = 1_000;
/** Jobs of the last two weeks, whose attempts are counted. */
const ATTEMPTS = 10_000;

/**
 * One job's costs on a host without a past, and on one that has run 10,000 jobs, with 1,000 stacks
 * in the backend.
 */
export interface GrowthFigures {
  readonly fresh: JobCost;
  readonly old: JobCost;
  readonly cpuRatio: number;
}

interface JobCost {
  readonly configMs: Figure;
  readonly prepareMs: Figure;
  readonly runNoopMs: Figure;
  readonly cleanupMs: Figure;
  readonly goneAfterCleanupMs: Figure;
  readonly cpuSecondsPerJob: number;
  readonly peakRssMiB: number;
}

/**
 * The same jobs before and after the host got its past; with a budget, so that prepare asks the
 * ledger.
 */
export async function growth(place: Place, jobs: number): Promise<GrowthFigures> {
  const { sandbox, progress } = place;
  await setPace(place, NONE);
  Object.assign(sandbox.environment, { GITLAB_SPOT_BUDGET: '1000000' });
  try {
    progress(`${jobs} jobs on a host without a past`);
    const fresh = await costOf(place, jobs);
    progress(`${jobs} jobs after ${LEDGER_ENTRIES} others, with ${STACKS} stacks in the backend`);
    await giveAPast(place);
    const old = await costOf(place, jobs);
    return { fresh, old, cpuRatio: round(old.cpuSecondsPerJob / fresh.cpuSecondsPerJob, 2) };
  } finally {
    Object.assign(sandbox.environment, { GITLAB_SPOT_BUDGET: '' });
  }
}

async function costOf(place: Place, jobs: number): Promise<JobCost> {
  const seen = { config: [] as number[], prepare: [] as number[], run: [] as number[] };
  const end = { cleanup: [] as number[], gone: [] as number[], cpu: 0, rss: 0 };
  // The first one fills caches, and is not counted.
  for (let n = 0; n <= jobs; n++) {
    const job = new BenchJob(place.sandbox, place.nextId());
    const [times, usage] = await used(place, async () => {
      const config = (await job.config()).ms;
      const prepare = (await job.prepare({ watchPort: false })).ms;
      const run = await stage(job);
      const cleanup = (await job.cleanup()).ms;
      const gone = await job.gone();
      await empty(place);
      return { config, prepare, run, cleanup, gone };
    });
    if (n === 0) continue;
    seen.config.push(times.config);
    seen.prepare.push(times.prepare);
    seen.run.push(times.run);
    end.cleanup.push(times.cleanup);
    end.gone.push(times.gone);
    end.cpu += usage.cpuSeconds / jobs;
    end.rss = Math.max(end.rss, usage.peakRssMiB);
  }
  return {
    configMs: figure(seen.config),
    prepareMs: figure(seen.prepare),
    runNoopMs: figure(seen.run),
    cleanupMs: figure(end.cleanup),
    goneAfterCleanupMs: figure(end.gone),
    cpuSecondsPerJob: round(end.cpu, 2),
    peakRssMiB: end.rss,
  };
}

async function giveAPast(place: Place): Promise<void> {
  const { GITLAB_SPOT_STATE_DIR: state, PULUMI_BACKEND_URL: backend } = place.sandbox.environment;
  fillLedger(path.join(state, 'ledger'));
  for (let n = 0; n < ATTEMPTS; n++) writeFileSync(path.join(state, 'attempts', `job-gitlab.past-${n}-0`), '1\n');
  const job = new BenchJob(place.sandbox, place.nextId());
  await job.config();
  await job.prepare({ watchPort: false });
  fillBackend(path.join(new URL(backend).pathname, '.pulumi/stacks/gitlab-spot'));
  await job.cleanup();
  await empty(place);
}

/** As the ledger itself writes: a file for each past day, a folder of files for today. */
function fillLedger(directory: string): void {
  const today = new Date().toISOString().slice(0, 10);
  const day = (n: number) => `${today.slice(0, 8)}${String(n).padStart(2, '0')}`;
  const pastDays = Array.from({ length: Number(today.slice(8)) - 1 }, (_, n) => day(n + 1));
  const perDay = Math.ceil((LEDGER_ENTRIES - TODAY) / Math.max(1, pastDays.length));
  for (const past of pastDays) {
    const lines = Array.from({ length: perDay }, (_, n) => JSON.stringify(ledgerEntry(past, n)));
    writeFileSync(path.join(directory, `${past}.jsonl`), `${lines.join('\n')}\n`, { mode: 0o600 });
  }
  const folder = path.join(directory, today);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (let n = 0; n < TODAY; n++) {
    const entry = ledgerEntry(today, n);
    writeFileSync(path.join(folder, `${entry.stack}@${entry.instanceId}.json`), JSON.stringify(entry), { mode: 0o600 });
  }
}

function ledgerEntry(day: string, n: number) {
  return {
    version: 1,
    stack: `job-gitlab.past-${day.replaceAll('-', '')}${n}-1`,
    executorId: 'bench',
    server: 'gitlab.past',
    jobId: n,
    attempt: 1,
    project: `team/project-${n % 40}`,
    ref: 'main',
    jobName: 'build',
    userLogin: 'bench',
    profile: 'standard',
    instanceId: `i-past${day.replaceAll('-', '')}${n}`,
    instanceType: 'ecs.c7.xlarge',
    zoneId: 'cn-hangzhou-k',
    market: 'spot',
    priceYuanPerHour: 0.155,
    onDemandYuanPerHour: 0.815,
    from: `${day}T00:00:00.000Z`,
    to: `${day}T00:08:00.000Z`,
    seconds: 480,
    yuan: 0.020667,
    readySeconds: 25,
    result: 'success',
    interrupted: false,
  };
}

/** Copies of the one stack that is there, under other names. */
function fillBackend(stacks: string): void {
  const files = readdirSync(stacks).filter((name) => name.startsWith('job-gitlab.bench-'));
  const own = /^(job-gitlab\.bench-\d+-\d+)\./.exec(files[0] ?? '')?.[1];
  if (own === undefined) throw new Error(`there is no stack of the benchmark in ${stacks}`);
  for (const file of files) {
    const text = readFileSync(path.join(stacks, file), 'utf8');
    for (let n = 0; n < STACKS; n++) {
      const other = `job-gitlab.past-${n}-1`;
      writeFileSync(path.join(stacks, file.replace(own, other)), text.replaceAll(own, other), { mode: 0o600 });
    }
  }
}
