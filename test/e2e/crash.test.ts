import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger } from '../../src/audit/ledger';
import { TAG } from '../../src/job/types';
import type { Project } from '../../sandbox/runner/run-pipeline';
import { firstOf, processesOf, type Found } from '../support/victims';
import { World } from '../support/world';

/**
 * SIGKILL for whatever works for a job, at named steps and at random points, beside a healthy job. One `reap` later nothing of the victims is
 * left, the healthy job was not touched, and the ledger has every instance once. CRASHES=300 for the long version, CRASH_SEED for another one.
 */
const CRASHES = Number(process.env.CRASHES ?? 6);
const SEED = Number(process.env.CRASH_SEED ?? 1);
const VICTIMS_AT_ONCE = 3;
jest.setTimeout(180_000);

interface Crash {
  readonly title: string;
  readonly matches: (found: Found) => boolean;
  /** From when the process is first seen until it is killed. */
  readonly afterMs: number;
}

const random = seeded(SEED);

const pulumi =
  (verb: string): Crash['matches'] =>
  (found) =>
    found.program === 'pulumi' && found.verb === verb;
const program =
  (name: Found['program']): Crash['matches'] =>
  (found) =>
    found.program === name;

/** Each program's steps, with the most milliseconds into them: a step's work takes a few hundred in the sandbox. */
const STEPS: readonly (readonly [string, Crash['matches'], number][])[] = [
  [
    ['prepare somewhere', program('prepare'), 4_000],
    ['prepare as it starts', program('prepare'), 0],
  ],
  [
    ['the provider somewhere', program('provider'), 2_000],
    ['the provider as it starts', program('provider'), 0],
  ],
  [
    ['cleanup as it starts', program('cleanup'), 0],
    ['cleanup somewhere', program('cleanup'), 600],
  ],
  [
    ['pulumi up somewhere', pulumi('up'), 2_500],
    ['pulumi destroy', pulumi('destroy'), 800],
    ['pulumi stack init', pulumi('stack init'), 300],
    ['pulumi stack rm', pulumi('stack rm'), 300],
    ['pulumi up as it starts', pulumi('up'), 0],
  ],
  [
    ['the destroyer somewhere', program('destroyer'), 3_000],
    ['the destroyer as it starts', program('destroyer'), 0],
  ],
  [['run somewhere', program('run'), 1_500]],
];

const crashes: readonly Crash[] = Array.from({ length: CRASHES }, (_, index) => {
  const steps = STEPS[index % STEPS.length]!;
  const [step, matches, mostMs] = steps[Math.floor(index / STEPS.length) % steps.length]!;
  const afterMs = Math.floor(random() * mostMs);
  return { title: mostMs === 0 ? step : `${step} (${afterMs} ms)`, matches, afterMs };
});
const rounds = Array.from({ length: Math.ceil(CRASHES / VICTIMS_AT_ONCE) }, (_, index) => ({
  crashes: crashes.slice(index * VICTIMS_AT_ONCE, (index + 1) * VICTIMS_AT_ONCE),
  number: index + 1,
}));

let world: World;
let hits = 0;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

describe.each(rounds)('round $number', (round) => {
  const names = round.crashes.map(({ title }) => title).join('; ');
  test(`${names}: one reap later nothing is left, and the job beside them is well`, async () => {
    const { directory } = world.sandbox;
    const mayEnd = path.join(directory, `healthy-may-end-${round.number}`);
    const ids = new Map<string, number>();
    const ended = new Set<string>();
    const tooLate = new AbortController();
    const victims = round.crashes.map((_, index) => `victim-${index}`);
    let project: Project | undefined;
    let killers: Promise<boolean[]> | undefined;

    const pipeline = world.pipeline(jobs(victims, mayEnd), {
      concurrency: victims.length + 1,
      onProject: (opened) => (project = opened),
      onEvent: (event) => {
        if (event.type !== 'job-state') return;
        ids.set(event.name, event.id);
        if (event.state === 'success' || event.state === 'failed') ended.add(event.name);
      },
    });
    try {
      killers = Promise.all(
        round.crashes.map(async (crash, index) => {
          const mine = (found: Found) =>
            found.jobId === undefined ? found.program === 'destroyer' : found.jobId === ids.get(victims[index]!);
          const found = await firstOf(directory, (one) => mine(one) && crash.matches(one), tooLate.signal);
          if (!found) return false;
          await sleep(crash.afterMs);
          return killed(found.pid);
        }),
      );
      await until('the victims have ended', () => victims.every((name) => ended.has(name)));
      await until('the destroyer has ended', () => !processesOf(directory).some(isDestroyer));
      tooLate.abort();
      hits += (await killers).filter(Boolean).length;
      await until('a destroyer that came after a kill has ended', () => !processesOf(directory).some(isDestroyer));

      const healthy = ids.get('healthy');
      const reap = await world.gitlabSpot(['reap', '--grace', '0s', '--yes', '--json'], {
        GITLAB_SPOT_GITLAB_URL: project!.gitlab.url,
      });
      expect(reap).toMatchObject({ exitCode: 0 });
      expect(await leftOfOthersThan(healthy)).toEqual([]);
      // A process that was killed takes a moment to vanish.
      await until(
        'no process works for a victim',
        () => processesOf(directory).every((one) => one.jobId === healthy),
        10_000,
      );
    } finally {
      tooLate.abort();
      writeFileSync(mayEnd, '');
      await pipeline.catch(() => undefined);
    }
    const { jobs: results } = await pipeline;
    expect(results.find(({ name }) => name === 'healthy')).toMatchObject({ state: 'success', attempts: 1 });
    await world.nothingLeft();
    await until('all has ended', () => processesOf(directory).length === 0);
    await expectLedgerToMatchTheBill();
  });
});

test('most processes were at work when they were killed', () => {
  process.stdout.write(`${hits} of ${CRASHES} processes were at work when they were killed (seed ${SEED})\n`);
  expect(hits).toBeGreaterThan(CRASHES / 2);
});

/** The healthy job runs until the victims are done with. */
function jobs(victims: readonly string[], mayEnd: string): string {
  return [
    'healthy:',
    '  script:',
    `    - until [ -e ${mayEnd} ]; do sleep 0.2; done`,
    ...victims.flatMap((name) => [`${name}:`, '  script:', '    - echo begun; sleep 1; echo done']),
  ].join('\n');
}

function isDestroyer({ program }: Found): boolean {
  return program === 'destroyer';
}

/** What the cloud, the backend and the disk have, the healthy job's own left out. */
async function leftOfOthersThan(jobId: number | undefined): Promise<string[]> {
  const { instances, securityGroupIds, keyPairNames } = await world.sandbox.control.leftovers();
  const own = instances.filter(({ tags }) => tags[TAG.job] === String(jobId));
  const groups = new Set(own.flatMap((instance) => instance.securityGroupIds));
  const keyPairs = new Set(own.map(({ keyPairName }) => keyPairName));
  const ofJob = new RegExp(`-${jobId}-1(\\W|$)`);
  const inBackend = (await world.leftovers()).filter((line) => line.startsWith('in the backend: '));
  return [
    ...instances.filter((instance) => !own.includes(instance)).map(({ instanceId }) => `instance ${instanceId}`),
    ...securityGroupIds.filter((id) => !groups.has(id)).map((id) => `security group ${id}`),
    ...keyPairNames.filter((name) => !keyPairs.has(name)).map((name) => `key pair ${name}`),
    ...inBackend.filter((line) => !ofJob.test(line)),
    ...world.jobFolders().filter((name) => !ofJob.test(name)),
  ];
}

async function expectLedgerToMatchTheBill(): Promise<void> {
  const ledger = new Ledger(path.join(world.sandbox.directory, 'state', 'ledger'));
  const { entries, unreadable } = await ledger.entries({ from: '2000-01-01', to: '2999-12-31' });
  const billed = (await world.sandbox.control.bill()).filter(({ seconds }) => seconds > 0);
  const inLedger = entries.map(({ instanceId }) => instanceId);
  expect(unreadable).toBe(0);
  expect(new Set(inLedger).size).toBe(inLedger.length);
  expect(billed.map(({ instanceId }) => instanceId).filter((id) => !inLedger.includes(id))).toEqual([]);
}

/** False: it had ended by itself. */
function killed(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

async function until(what: string, holds: () => boolean, limitMs = 120_000): Promise<void> {
  for (const deadline = Date.now() + limitMs; !holds(); await sleep(50))
    if (Date.now() > deadline) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
}

/** A small generator (mulberry32), so that a seed plays the same crashes again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
