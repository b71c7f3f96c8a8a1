import { existsSync } from 'node:fs';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { startSandbox, type Sandbox } from '../sandbox/start';
import { BenchJob } from './bench-job';
import { Watch } from './processes';

/** Milliseconds. */
interface Figure {
  readonly median: number;
  readonly p95: number;
  readonly n: number;
}

/** As a cloud takes it: half a minute from RunInstances to SSH; the provider's own fixed pauses (alibaba-cloud.md). */
const REALISTIC = {
  delays: { apiMs: 20, pendingMs: 2_000, startingMs: 6_000, bootMs: 12_000, stoppingMs: 4_000 },
  providerSleeps: 'create=10000,delete=10000,network=5000,poll=3000,retry=3000',
};
const NONE = {
  delays: { apiMs: 0, pendingMs: 0, startingMs: 0, bootMs: 0, stoppingMs: 0 },
  providerSleeps: 'create=0,delete=0,network=0,poll=10,retry=10',
};
const OUTPUT_BYTES = 100_000_000;
const NO_OP = '#!/usr/bin/env bash\n:\n';

async function main(): Promise<void> {
  const args = await yargs(hideBin(process.argv))
    .scriptName('npm run bench --')
    .usage('$0 [options]\n\nWhat the executor adds to the cloud’s own time, and what a job costs the host.')
    .options({
      jobs: { type: 'number', default: 5, describe: 'jobs one after the other, for the figures of one job' },
      stages: { type: 'number', default: 10, describe: 'no-op stages of each, each beside a plain ssh' },
      parallel: { type: 'string', default: '1,10,50', describe: 'jobs side by side, one run for each number' },
      ups: { type: 'number', default: 4, describe: 'GITLAB_SPOT_CONCURRENT_UPS' },
      realistic: { type: 'boolean', default: false, describe: "with a cloud's delays and the provider's fixed pauses" },
      machine: {
        choices: ['sshd', 'ssh2'] as const,
        default: existsSync('/usr/sbin/sshd') ? ('sshd' as const) : ('ssh2' as const),
        describe: 'instances with OpenSSH’s server, or with the built-in one',
      },
      real: {
        type: 'boolean',
        default: false,
        describe: 'with the real pulumi CLI and provider, where they are on PATH',
      },
      json: { type: 'boolean', default: false },
    })
    .strict()
    .parse();
  const progress = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
  const { delays, providerSleeps } = args.realistic ? REALISTIC : NONE;
  const sandbox = await startSandbox({ delays, providerSleeps, real: args.real, machineKind: args.machine });
  Object.assign(sandbox.environment, { GITLAB_SPOT_CONCURRENT_UPS: String(args.ups) });
  try {
    const one = await jobsInTurn(sandbox, args.jobs, args.stages, progress);
    const parallel = [];
    for (const count of args.parallel.split(',').filter(Boolean).map(Number)) {
      progress(`${count} jobs side by side`);
      parallel.push(await sideBySide(sandbox, count));
    }
    const report = { node: process.version, machine: args.machine, realistic: args.realistic, ...one, parallel };
    process.stdout.write(args.json ? `${JSON.stringify(report, null, 2)}\n` : forPeople(report));
  } finally {
    await sandbox.close();
  }
}

async function jobsInTurn(sandbox: Sandbox, count: number, stages: number, progress: (line: string) => void) {
  const times = {
    prepareAfterSshMs: [] as number[],
    runNoopMs: [] as number[],
    sshNoopMs: [] as number[],
    configMs: [] as number[],
    cleanupMs: [] as number[],
    goneAfterCleanupMs: [] as number[],
    output: [] as number[],
  };
  const usage = { running: [] as number[], prepare: [] as number[], cpu: [] as number[], processes: [] as number[] };
  for (let n = 0; n < count; n++) {
    progress(`job ${n + 1} of ${count}`);
    const job = new BenchJob(sandbox, nextId());
    const whole = watch(sandbox);
    times.configMs.push((await job.config()).ms);
    const preparing = watch(sandbox);
    const prepared = await job.prepare();
    times.prepareAfterSshMs.push(prepared.ms - prepared.sshAfterMs);
    usage.prepare.push((await preparing.stop()).peakRssMiB);
    await job.run(NO_OP);
    for (let stage = 0; stage < stages; stage++) {
      const run = await job.run(NO_OP);
      if (run.exitCode !== 0) throw new Error(`a no-op stage failed: ${run.stderr}`);
      times.runNoopMs.push(run.ms);
      times.sshNoopMs.push((await job.plainSsh()).ms);
    }
    const silent = watch(sandbox);
    await job.run('#!/usr/bin/env bash\nsleep 1\n');
    usage.running.push((await silent.stop()).peakRssMiB);
    const output = await job.run(`#!/usr/bin/env bash\nhead -c ${OUTPUT_BYTES} /dev/zero\n`, false);
    if (output.bytes !== OUTPUT_BYTES) throw new Error(`${output.bytes} bytes of output came, not ${OUTPUT_BYTES}`);
    times.output.push(OUTPUT_BYTES / 1e6 / (output.ms / 1000));
    times.cleanupMs.push((await job.cleanup()).ms);
    times.goneAfterCleanupMs.push(await job.gone());
    await empty(sandbox);
    const all = await whole.stop();
    usage.cpu.push(all.cpuSeconds);
    usage.processes.push(all.processes);
  }
  const { output, ...milliseconds } = times;
  return {
    ...(Object.fromEntries(Object.entries(milliseconds).map(([name, values]) => [name, figure(values)])) as Record<
      keyof typeof milliseconds,
      Figure
    >),
    runningJobRssMiB: figure(usage.running).median,
    preparePeakRssMiB: figure(usage.prepare).median,
    /** Of a job with all of the stages above; `parallel` has the figure of a plain one. */
    cpuSecondsPerJob: figure(usage.cpu).median,
    processesPerJob: figure(usage.processes).median,
    outputMBPerSecond: Math.round(figure(output).median),
  };
}

/** Whole jobs of one no-op stage each, all begun at once, until the last stack is gone. */
async function sideBySide(sandbox: Sandbox, count: number) {
  const seen = watch(sandbox);
  const startMs = performance.now();
  const ends = await Promise.allSettled(
    Array.from({ length: count }, async () => {
      const job = new BenchJob(sandbox, nextId());
      await job.config();
      try {
        await job.prepare();
        const run = await job.run(NO_OP);
        if (run.exitCode !== 0) throw new Error(run.stderr);
      } finally {
        await job.cleanup();
      }
    }),
  );
  const jobsSeconds = (performance.now() - startMs) / 1000;
  await empty(sandbox);
  const { cpuSeconds, peakRssMiB, processes } = await seen.stop();
  const failed = ends.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []));
  if (failed[0]) process.stderr.write(`bench: ${failed.length} of ${count} failed, the first: ${failed[0]}\n`);
  const wallSeconds = (performance.now() - startMs) / 1000;
  return {
    jobs: count,
    succeeded: count - failed.length,
    wallSeconds: round(wallSeconds),
    jobsSeconds: round(jobsSeconds),
    peakRssMiB,
    cpuSecondsPerJob: round(cpuSeconds / count),
    processesPerJob: round(processes / count),
  };
}

async function empty(sandbox: Sandbox): Promise<void> {
  const { readdirSync } = await import('node:fs');
  const { setTimeout: sleep } = await import('node:timers/promises');
  for (const deadline = Date.now() + 600_000; ; await sleep(50)) {
    if (readdirSync(`${sandbox.environment.GITLAB_SPOT_STATE_DIR}/jobs`).length === 0) return;
    if (Date.now() > deadline) throw new Error('the destroyer did not end within 10 minutes');
  }
}

function watch(sandbox: Sandbox): Watch {
  return new Watch(`GITLAB_SPOT_STATE_DIR=${sandbox.environment.GITLAB_SPOT_STATE_DIR}`);
}

let lastId = 0;
function nextId(): number {
  return ++lastId;
}

function figure(values: readonly number[]): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { median: at(0.5), p95: at(0.95), n: sorted.length };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

type Report = Awaited<ReturnType<typeof jobsInTurn>> & {
  readonly parallel: readonly Awaited<ReturnType<typeof sideBySide>>[];
};

function forPeople(report: Report): string {
  const { parallel, ...one } = report;
  const lines = Object.entries(one).map(([name, value]) => {
    if (typeof value !== 'object') return `${name.padEnd(22)}${String(value)}`;
    const { median, p95, n } = value as Figure;
    return `${name.padEnd(22)}${`${median} ms`.padStart(12)}   p95 ${`${p95} ms`.padStart(10)}   n ${n}`;
  });
  const ratio = `run / ssh             ${(report.runNoopMs.median / report.sshNoopMs.median).toFixed(2)}`;
  const rows = parallel.map(
    (row) =>
      `${row.jobs} jobs: ${row.succeeded} succeeded in ${row.jobsSeconds} s, gone after ${row.wallSeconds} s, ${row.peakRssMiB} MiB at the peak, ${row.cpuSecondsPerJob} CPU s and ${row.processesPerJob} processes a job`,
  );
  return `${[...lines, ratio, '', ...rows].join('\n')}\n`;
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
