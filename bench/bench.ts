import { existsSync } from 'node:fs';
import os from 'node:os';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { startSandbox } from '../sandbox/start';
import { burst } from './burst';
import { cold } from './cold';
import { growth } from './growth';
import { hot } from './hot';
import { oneJob, oneLife } from './one-job';
import type { Place } from './place';
import { forPeople, type Report } from './report';
import { sideBySide } from './side-by-side';

const SECTIONS = ['stages', 'life', 'hot', 'cold', 'burst', 'parallel', 'growth'] as const;
const CLOSE_LIMIT_MS = 60_000;

function options() {
  return yargs(hideBin(process.argv))
    .scriptName('npm run bench --')
    .usage(
      '$0 [options]\n\nWhat the executor adds to the cloud’s own time, and what a job costs the host (docs/performance.md).',
    )
    .options({
      only: {
        type: 'string',
        default: SECTIONS.join(','),
        describe:
          'stages: one job’s costs in a cloud that takes no time; life: what is added to a cloud with delays; hot: jobs that find a spare machine; cold: jobs that find none, with 20 s and 5 s from RunInstances to SSH; burst: jobs that all begin, and end, at once, after rounds of the reaper, which makes login keys ahead; parallel: jobs side by side; growth: a host with a long past',
      },
      jobs: { type: 'number', default: 5, describe: 'jobs one after the other, for the figures of one job' },
      stages: { type: 'number', default: 10, describe: 'no-op stages of each, each beside a plain ssh' },
      burst: { type: 'number', default: 50, describe: 'jobs of a burst' },
      parallel: { type: 'string', default: '1,10,50,200', describe: 'jobs side by side, one run for each number' },
      ups: { type: 'number', default: 4, describe: 'GITLAB_SPOT_CONCURRENT_UPS' },
      realistic: {
        type: 'boolean',
        default: false,
        describe: "jobs side by side with a cloud's delays and the provider's fixed pauses too",
      },
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
      limit: { type: 'number', default: 45, describe: 'minutes after which the benchmark gives up' },
      json: { type: 'boolean', default: false },
    })
    .check(({ only }) => {
      const unknown = only.split(',').find((name) => !(SECTIONS as readonly string[]).includes(name));
      if (unknown === undefined) return true;
      throw new Error(`--only takes ${SECTIONS.join(', ')}, not "${unknown}"`);
    })
    .strict()
    .parse();
}

async function main(): Promise<number> {
  const args = await options();
  const progress = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
  const report: { -readonly [Key in keyof Report]: Report[Key] } & { parallel: Report['parallel'][number][] } = {
    measuredWith: {
      command: `npm run bench -- ${hideBin(process.argv).join(' ')}`,
      at: new Date().toISOString(),
      node: process.version,
      cores: os.availableParallelism(),
      memoryMiB: Math.round(os.totalmem() / 1024 / 1024),
      instances: args.machine,
      engine: args.real ? 'as on PATH' : 'the stand-in',
      concurrentUps: args.ups,
    },
    parallel: [],
  };
  const sections: Record<(typeof SECTIONS)[number], (place: Place) => Promise<void>> = {
    stages: async (place) => void Object.assign(report, await oneJob(place, args.jobs, args.stages)),
    life: async (place) => void Object.assign(report, await oneLife(place, args.jobs)),
    hot: async (place) => void Object.assign(report, await hot(place, args.jobs, args.real)),
    cold: async (place) => void Object.assign(report, await cold(place, args.jobs)),
    burst: async (place) => void Object.assign(report, await burst(place, args.burst)),
    parallel: async (place) => {
      for (const count of args.parallel.split(',').filter(Boolean).map(Number)) {
        progress(`${count} jobs side by side`);
        report.parallel.push(await sideBySide(place, count, args.realistic));
      }
    },
    growth: async (place) => void (report.growth = await growth(place, args.jobs)),
  };
  const sandbox = await startSandbox({ real: args.real, machineKind: args.machine });
  let lastId = 0;
  const place: Place = { sandbox, progress, nextId: () => ++lastId };
  Object.assign(sandbox.environment, { GITLAB_SPOT_CONCURRENT_UPS: String(args.ups) });
  const work = async (): Promise<void> => {
    for (const name of args.only.split(',') as (typeof SECTIONS)[number][]) await sections[name](place);
  };
  try {
    await Promise.race([work(), interrupted(args.limit * 60_000)]);
  } catch (error) {
    report.failure = error instanceof Error ? error.message : String(error);
  } finally {
    await Promise.race([sandbox.close(), after(CLOSE_LIMIT_MS, 'the sandbox could not be closed')]);
  }
  await new Promise<void>((resolve) =>
    process.stdout.write(args.json ? `${JSON.stringify(report, null, 2)}\n` : forPeople(report), () => resolve()),
  );
  if (report.failure !== undefined) process.stderr.write(`bench: ${report.failure}\n`);
  return report.failure === undefined ? 0 : 1;
}

/** Rejects at the limit, and when a person or a program wants it to end. */
function interrupted(limitMs: number): Promise<never> {
  return Promise.race([
    after(limitMs, `not done within ${limitMs / 60_000} minutes`),
    ...(['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map(
      (signal) =>
        new Promise<never>((_, reject) => process.once(signal, () => reject(new Error(`ended by ${signal}`)))),
    ),
  ]);
}

function after(ms: number, sentence: string): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(sentence)), ms).unref());
}

main().then(
  // What an aborted section left under way ends with us.
  (exitCode) => process.exit(exitCode),
  (error: unknown) => {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
