import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Ledger } from '../../src/billing/ledger';
import { TAG } from '../../src/jobs/types';
import type { PipelineResult } from '../../sandbox/runner/types';
import { until, victimJob, Victims } from '../support/crash-rounds';
import { catalogue, deck, seeded, titleOf, type Crash, type Lane } from '../support/crashes';
import { figures } from '../support/figures';
import { Killers } from '../support/killers';
import { processesOf, type Found } from '../support/victims';
import { World } from '../support/world';

/**
 * SIGKILL for whatever works for a job, at every step of its own and around every call to the
 * cloud, beside a healthy job. One `reap` later nothing of the victims is left, the healthy job was
 * not touched, and the ledger has every instance once, at what it cost. CRASHES=300 for the long
 * version, CRASH_SEED for another choice of crashes.
 */
const CRASHES = Number(process.env.CRASHES ?? 7);
const SEED = Number(process.env.CRASH_SEED ?? 1);
jest.setTimeout(240_000);

const random = seeded(SEED);
/** What a round kills: five victims' own processes, the destroyer of all, and a first reap. */
const LANES: readonly Lane[] = ['job', 'destroyer', 'job', 'reap', 'job', 'job', 'job'];
const rounds = plannedRounds();

let world: World;
let healthy: { id: number; mayEnd: string; ended: Promise<PipelineResult> };
const killers = new Killers();
const hits: string[] = [];

beforeAll(async () => {
  world = await World.start({ onCall: killers.onCall });
  healthy = await healthyJob();
});
afterAll(() => world.close());

describe.each(rounds)('round $number', ({ number, crashes }) => {
  const titles = crashes.map(({ crash }) => titleOf(crash)).join('; ');
  test(`${titles}: one reap later nothing is left, and the job beside them is well`, async () => {
    const { directory } = world.sandbox;
    const environment = killers.environment(directory);
    const ofLane = (lane: Lane) => crashes.filter((one) => one.lane === lane).map(({ crash }) => crash);
    const names = ofLane('job').map((_, index) => `victim-${number}-${index}`);
    if (names.length === 0) names.push(`victim-${number}`);
    const victims = new Victims(names);
    const tooLate = new AbortController();
    const strikes: Promise<string | undefined>[] = [];
    const order = (crash: Crash, name?: string): void => {
      if (crash.kind === 'inside') return killers.plan(crash, { jobName: name });
      const isMine = (id: number) => (name === undefined ? id !== healthy.id : id === victims.ids.get(name));
      strikes.push(killers.strike(crash, isMine, tooLate.signal));
    };
    ofLane('job').forEach((crash, index) => order(crash, names[index]));
    ofLane('destroyer').forEach((crash) => order(crash));

    const pipeline = world.pipeline(names.map(victimJob).join('\n'), {
      environment,
      concurrency: names.length,
      ...victims.watch,
    });
    try {
      await victims.haveEnded();
      await until('the destroyer has ended', () => !processesOf(directory).some(isDestroyer));
      ofLane('reap').forEach((crash) => order(crash));
      const reap = (more: Record<string, string> = {}) =>
        world.gitlabSpot(['reap', '--grace', '0s', '--yes', '--json'], {
          GITLAB_SPOT_GITLAB_URL: victims.gitlab,
          ...more,
        });
      if (ofLane('reap').length > 0) await reap(environment);
      tooLate.abort();
      const struck = (await Promise.all(strikes)).filter((one) => one !== undefined);
      const hit = [...struck, ...killers.harvest().map(({ text }) => text)];
      hits.push(...hit);
      hit.forEach((one) => figures(`round ${number}: ${one}`));

      expect(await reap()).toMatchObject({ exitCode: 0 });
      expect(await leftOfOthersThan(healthy.id)).toEqual([]);
      // A process that was killed takes a moment to vanish.
      await until('nobody works for a victim', () => processesOf(directory).every(isHealthy), 10_000);
      expect(processesOf(directory).some(isHealthy)).toBe(true);
      await expectLedgerToMatchTheBill();
    } catch (error) {
      const destroyerLog = readFileSync(path.join(directory, 'state', 'log', 'destroyer.log'), 'utf8').slice(-5_000);
      throw new Error(`The destroyer's log ends with:\n${destroyerLog}`, { cause: error });
    } finally {
      tooLate.abort();
      victims.areDoneWith();
      await pipeline.catch(() => undefined);
    }
  });
});

test('the job beside them all ends well, and most crashes hit', async () => {
  writeFileSync(healthy.mayEnd, '');
  expect((await healthy.ended).jobs).toMatchObject([{ state: 'success', attempts: 1 }]);
  await world.nothingLeft();
  const planned = rounds.reduce((sum, { crashes }) => sum + crashes.length, 0);
  figures(`${hits.length} of ${planned} hit (seed ${SEED})`);
  expect(hits.length).toBeGreaterThan(planned / 2);
});

function plannedRounds(): { number: number; crashes: { lane: Lane; crash: Crash }[] }[] {
  const all = catalogue(random);
  const decks = { job: deck(all.job, random), destroyer: deck(all.destroyer, random), reap: deck(all.reap, random) };
  const crashes = Array.from({ length: CRASHES }, (_, index) => {
    const lane = LANES[index % LANES.length]!;
    return { lane, crash: decks[lane]() };
  });
  return Array.from({ length: Math.ceil(CRASHES / LANES.length) }, (_, index) => ({
    number: index + 1,
    crashes: crashes.slice(index * LANES.length, (index + 1) * LANES.length),
  }));
}

/** Runs until the victims of all rounds are done with. */
async function healthyJob(): Promise<typeof healthy> {
  const mayEnd = path.join(world.sandbox.directory, 'cache', 'healthy-may-end');
  const begun = path.join(world.sandbox.directory, 'cache', 'healthy-has-begun');
  const script = `echo $CI_JOB_ID > ${begun}; until [ -e ${mayEnd} ]; do sleep 0.5; done`;
  const ended = world.pipeline(`healthy:\n  script:\n    - ${JSON.stringify(script)}`);
  ended.catch(() => undefined);
  const id = () => (existsSync(begun) ? Number(readFileSync(begun, 'utf8')) : 0);
  await until('the healthy job has begun', () => id() > 0);
  return { id: id(), mayEnd, ended };
}

function isDestroyer({ program }: Found): boolean {
  return program === 'destroyer';
}

function isHealthy({ jobId }: Found): boolean {
  return jobId === healthy.id;
}

/** What the cloud, the backend and the disk have, the healthy job's own left out. */
async function leftOfOthersThan(jobId: number): Promise<string[]> {
  const { instances, securityGroupIds, keyPairNames } = await world.sandbox.control.leftovers();
  const own = instances.filter(({ tags }) => tags[TAG.job] === String(jobId));
  const groups = new Set(own.flatMap((instance) => instance.securityGroupIds));
  const keyPairs = new Set(own.map(({ keyPairName }) => keyPairName));
  const ofJob = new RegExp(`-${jobId}-1(\\W|$)`);
  const inBackend = (await world.leftovers()).filter((line) => line.startsWith('in the backend: '));
  expect(own).toHaveLength(1);
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
  const billed = (await world.sandbox.control.bill()).filter(({ seconds, to }) => seconds > 0 && to !== undefined);
  const inLedger = entries.map(({ instanceId }) => instanceId);
  expect(unreadable).toBe(0);
  expect(new Set(inLedger).size).toBe(inLedger.length);
  expect(billed.map(({ instanceId }) => instanceId).filter((id) => !inLedger.includes(id))).toEqual([]);
  // One that was found by its tag alone is known to the minute; else what a poll takes, on a busy
  // machine.
  const off = billed.flatMap(({ instanceId, seconds, from, to }) => {
    const entry = entries.find((one) => one.instanceId === instanceId)!;
    return entry.seconds < seconds - 10 || entry.seconds > seconds + 60 || late(entry.to, to) > 10
      ? [
          `${instanceId} of ${entry.stack}: ${entry.seconds} s (${entry.from} to ${entry.to}), billed ${seconds} s (${from} to ${to})`,
        ]
      : [];
  });
  expect(off).toEqual([]);
}

/** Seconds by which one time is after the other. */
function late(time: string, other: string | undefined): number {
  return (Date.parse(time) - Date.parse(other ?? time)) / 1000;
}
