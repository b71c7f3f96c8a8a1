import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger } from '../../src/billing/ledger';
import type { LedgerEntry } from '../../src/billing/types';
import { TAG } from '../../src/jobs/types';
import type { Project } from '../../sandbox/runner/run-pipeline';
import type { PipelineResult } from '../../sandbox/runner/types';
import { builtFolder } from '../../sandbox/start';
import { seeded, shuffled, titleOf } from '../support/crashes';
import { figures } from '../support/figures';
import { Killers } from '../support/killers';
import { spareCatalogue, type Blow, type SpareLane } from '../support/spare-crashes';
import { startHook } from '../support/ssh/run-hook';
import { processesOf } from '../support/victims';
import { readable, World } from '../support/world';

/**
 * SIGKILL for whatever works on spare machines, at every step of their life (made, kept, taken by
 * one of several jobs, handed over, given up, destroyed), while the cloud takes some back, beside a
 * job that runs on one. One `reap` later nothing is left of them, no machine was had by two jobs,
 * the healthy job was not touched, and the ledger has each second of each machine once.
 * SPARE_CRASHES=300 for the long version, CRASH_SEED for another choice.
 */
const CRASHES = Number(process.env.SPARE_CRASHES ?? 30);
const SEED = Number(process.env.CRASH_SEED ?? 1);
jest.setTimeout(300_000);

const random = seeded(SEED);
/** What a round deals out. */
const LANES: readonly SpareLane[] = [
  ...(['maker', 'waiting', 'claimant', 'refiller', 'claimant', 'destroyer'] as const),
  ...(['claimant', 'reap', 'maker', 'job'] as const),
];
const rounds = plannedRounds();
/** A blow that comes to a machine twice is one; two machines wait for three jobs. */
const [KEPT, JOBS] = [2, 3] as const;

let world: World;
let environment: Record<string, string>;
let healthy: { id: number; mayEnd: string; ended: Promise<PipelineResult> };
const killers = new Killers();
const hits: string[] = [];
/** Which job was told that it has a machine. */
const had = new Map<string, string>();
/** What the cloud took while nobody looked is known to the next look. */
const taken = new Set<string>();

const inside = (...names: string[]): string => path.join(world.sandbox.directory, ...names);
const page = (keep: number): void =>
  writeFileSync(
    environment.GITLAB_SPOT_PROFILES_FILE!,
    `default: hot
profiles:
  hot:
    types: [ecs.c7.xlarge, ecs.u1-c1m2.xlarge]
    image: gitlab-spot-java23
    spot: { maxPrice: 0.9 }
    ${keep > 0 ? `spares: { keep: ${keep} }` : ''}
`,
  );

beforeAll(async () => {
  world = await World.start({ onCall: killers.onCall });
  environment = { GITLAB_SPOT_PROFILES_FILE: inside('profiles.yaml') };
  page(1);
  await keeper();
  healthy = await healthyJob();
  page(0);
  await until('the keeper is through', () => !processesOf(world.sandbox.directory).some(isKeeper));
  expect(await reap()).toMatchObject({ exitCode: 0 });
});
afterAll(() => world.close());

describe.each(rounds)('round $number', ({ number, blows }) => {
  const ofLane = (lane: SpareLane): Blow[] => blows.filter((one) => one.lane === lane).map(({ blow }) => blow);
  const titles = blows.map(({ lane, blow }) => `${lane}: ${blow.kind === 'cloud' ? blow.what : titleOf(blow)}`);

  test(`${titles.join('; ')}: one reap later nothing is left, and nothing was had twice`, async () => {
    const mortal = { ...environment, ...killers.environment(world.sandbox.directory) };
    const names = Array.from({ length: JOBS }, (_, index) => `victim-${number}-${index}`);
    const ids = new Map<string, number>();
    const tooLate = new AbortController();
    const strikes: Promise<string | undefined>[] = [];
    const order = (blow: Blow | undefined, name?: string): void => {
      if (!blow || blow.kind === 'cloud') return;
      if (blow.kind === 'inside') return killers.plan(blow, blow.program === 'keeper' ? undefined : name);
      const isMine = (id: number) => (name === undefined ? id !== healthy.id : id === ids.get(name));
      strikes.push(killers.strike(blow, isMine, tooLate.signal));
    };
    let gitlab = '';
    let reaped = false;
    page(KEPT);
    const [maker, another] = ofLane('maker');
    for (const blow of [maker, another]) {
      order(blow);
      await keeper(mortal);
    }
    // Whatever they died of, the next one has two that wait.
    await keeper();
    for (const blow of ofLane('waiting')) await happens(blow);
    ofLane('refiller').forEach((blow) => order(blow));
    ofLane('claimant').forEach((blow, index) => order(blow, names[index]));
    ofLane('job').forEach((blow, index) => order(blow, names[index]));
    ofLane('destroyer').forEach((blow) => order(blow));

    const ended = new Set<string>();
    const pipeline = world.pipeline(names.map(victimJob).join('\n'), {
      // Every other round they stand in line for a slot, and take their machine from there.
      environment: { ...mortal, ...(number % 2 === 0 ? { GITLAB_SPOT_CONCURRENT_UPS: '1' } : {}) },
      concurrency: JOBS,
      onProject: (opened: Project) => (gitlab = opened.gitlab.url),
      onEvent: (event) => {
        if (event.type !== 'job-state') return;
        ids.set(event.name, event.id);
        if (event.state === 'success' || event.state === 'failed') ended.add(event.name);
      },
      // GitLab stays until the reaper has asked it.
      stayUntil: () => until('the reaper is through', () => reaped),
    });
    try {
      await until('the victims have ended', () => names.every((name) => ended.has(name)));
      await until('keeper and destroyer have ended', () => !processesOf(world.sandbox.directory).some(isDetached));
      ofLane('reap').forEach((blow) => order(blow));
      if (ofLane('reap').length > 0) await reap({ ...mortal, GITLAB_SPOT_GITLAB_URL: gitlab });
      tooLate.abort();
      const hit = [...(await Promise.all(strikes)).filter((one) => one !== undefined), ...killers.harvest()];
      hits.push(...hit);
      hit.forEach((one) => figures(`round ${number}: ${one}`));

      page(0);
      expect(await reap({ GITLAB_SPOT_GITLAB_URL: gitlab })).toMatchObject({ exitCode: 0 });
      expect(await leftOfOthersThan(healthy.id)).toEqual([]);
      await until('nobody works for a victim', () => processesOf(world.sandbox.directory).every(isHealthy), 10_000);
      expect(processesOf(world.sandbox.directory).some(isHealthy)).toBe(true);
      await expectLedgerToMatchTheBill();
    } catch (error) {
      const logOf = (name: string): string =>
        existsSync(inside('state', 'log', name))
          ? readFileSync(inside('state', 'log', name), 'utf8').slice(-4_000)
          : '';
      throw new Error(
        `The destroyer's log ends with:\n${logOf('destroyer.log')}\nThe keeper's:\n${logOf('keeper.log')}`,
        {
          cause: error,
        },
      );
    } finally {
      tooLate.abort();
      reaped = true;
      const result = await pipeline.catch(() => undefined);
      result?.jobs.forEach(({ id, log }) => remember(id, readable(log)));
    }
    await expectNothingHadTwice();
  });
});

test('the job beside them all ends well on its spare machine, and most blows hit', async () => {
  writeFileSync(healthy.mayEnd, '');
  const [job] = (await healthy.ended).jobs;
  expect(job).toMatchObject({ state: 'success', attempts: 1 });
  expect(readable(job!.log)).toContain('Taking the spare machine');
  await world.nothingLeft();
  const planned = rounds.reduce((sum, { blows }) => sum + blows.length, 0);
  figures(`${hits.length} of ${planned} hit (seed ${SEED}); ${had.size} machines were had`);
  expect(hits.length).toBeGreaterThan(planned / 2);
});

function plannedRounds(): { number: number; blows: { lane: SpareLane; blow: Blow }[] }[] {
  const all = spareCatalogue(random);
  const decks = Object.fromEntries(Object.entries(all).map(([lane, blows]) => [lane, deck(blows)])) as Record<
    SpareLane,
    () => Blow
  >;
  return Array.from({ length: Math.ceil(CRASHES / LANES.length) }, (_, index) => ({
    number: index + 1,
    blows: LANES.slice(0, CRASHES - index * LANES.length).map((lane) => ({ lane, blow: decks[lane]() })),
  }));
}

/** Deals one after the other, from the start again after the last. */
function deck(blows: readonly Blow[]): () => Blow {
  const order = shuffled(blows, random);
  let dealt = 0;
  return () => order[dealt++ % order.length]!;
}

function victimJob(name: string): string {
  return [`${name}:`, '  variables: {GIT_STRATEGY: none}', '  script:', '    - echo done'].join('\n');
}

/** As a hook starts it, but waited for. */
async function keeper(more: Record<string, string> = {}): Promise<void> {
  const program = path.resolve(builtFolder(), '../executor/keeper.js');
  await startHook([process.execPath, program], world.environment({ ...environment, ...more })).ended;
}

function reap(more: Record<string, string> = {}) {
  return world.gitlabSpot(['reap', '--grace', '0s', '--yes', '--json'], { ...environment, ...more });
}

/** To one that waits, if any does. */
async function happens(blow: Blow): Promise<void> {
  if (blow.kind !== 'cloud') return;
  const { instances } = await world.sandbox.control.leftovers();
  const waiting = instances.find(({ tags, status }) => tags[TAG.kind] === 'spare' && status === 'Running');
  if (!waiting) return;
  hits.push(`${blow.what} ${waiting.instanceId}`);
  figures(`a spare was ${blow.what}`);
  if (blow.what !== 'expired') taken.add(waiting.instanceId);
  if (blow.what === 'interrupted') return world.sandbox.control.interrupt(waiting.instanceId, 1_500);
  if (blow.what === 'released') return world.sandbox.control.vanish(waiting.instanceId);
  const file = inside('state', 'jobs', waiting.tags[TAG.stack]!, 'record.json');
  const record = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...record, until: new Date(Date.now() - 1_000).toISOString() }));
}

/** Runs on a spare machine until the victims of all rounds are done with. */
async function healthyJob(): Promise<typeof healthy> {
  const [mayEnd, begun] = [inside('cache', 'healthy-may-end'), inside('cache', 'healthy-has-begun')];
  const script = `echo $CI_JOB_ID > ${begun}; until [ -e ${mayEnd} ]; do sleep 0.5; done`;
  const ended = world.pipeline(`healthy:\n  script:\n    - ${JSON.stringify(script)}`, { environment });
  ended.catch(() => undefined);
  const id = (): number => (existsSync(begun) ? Number(readFileSync(begun, 'utf8')) : 0);
  await until('the healthy job has begun', () => id() > 0);
  return { id: id(), mayEnd, ended };
}

const isKeeper = ({ program }: { program: string }): boolean => program === 'keeper';
const isDetached = ({ program }: { program: string }): boolean => program === 'keeper' || program === 'destroyer';
const isHealthy = ({ jobId }: { jobId: number | undefined }): boolean => jobId === healthy.id;

/** A job's log names each machine that it was given, of each attempt. */
function remember(id: number, log: string): void {
  for (const [, instanceId] of log.matchAll(/^Ready after .*?: (i-\w+) /gm)) {
    const other = had.get(instanceId!);
    if (other !== undefined) throw new Error(`${instanceId} was had by ${other} and by job ${id}`);
    had.set(instanceId!, `job ${id}`);
  }
}

/** Nor did the cloud ever hear of two. */
async function expectNothingHadTwice(): Promise<void> {
  const holders = new Map<string, Set<string>>();
  for (const { action, params, status } of await world.sandbox.control.calls()) {
    if (action !== 'TagResources' || status !== 200) continue;
    const tag = Object.keys(params).find((key) => params[key] === TAG.holder);
    const instanceId = params['ResourceId.1'];
    if (tag === undefined || instanceId === undefined) continue;
    const seen = holders.get(instanceId) ?? new Set();
    holders.set(instanceId, seen.add(params[tag.replace('.Key', '.Value')]!));
  }
  expect(holders.size).toBeGreaterThan(0);
  expect([...holders].filter(([, names]) => names.size > 1)).toEqual([]);
}

/** What the cloud, the backend and the disk have, the healthy job's own left out. */
async function leftOfOthersThan(jobId: number): Promise<string[]> {
  const { instances, securityGroupIds, keyPairNames } = await world.sandbox.control.leftovers();
  const own = instances.filter(({ tags }) => tags[TAG.job] === String(jobId));
  expect(own).toHaveLength(1);
  const [{ instanceId, keyPairName, securityGroupIds: groups, tags }] = own as [(typeof own)[0]];
  const inBackend = (await world.leftovers()).filter((line) => line.startsWith('in the backend: '));
  return [
    ...instances.filter((one) => one.instanceId !== instanceId).map((one) => `instance ${one.instanceId}`),
    ...securityGroupIds.filter((id) => !groups.includes(id)).map((id) => `security group ${id}`),
    ...keyPairNames.filter((name) => name !== keyPairName).map((name) => `key pair ${name}`),
    ...inBackend.filter((line) => !line.includes(tags[TAG.stack]!)),
    ...world.jobFolders().filter((name) => name !== tags[TAG.holder]),
  ];
}

/** At most a line as a spare and one of a job for each, which together are what the cloud bills. */
async function expectLedgerToMatchTheBill(): Promise<void> {
  const { entries, unreadable } = await new Ledger(inside('state', 'ledger')).entries({
    from: '2000-01-01',
    to: '2999-12-31',
  });
  const billed = (await world.sandbox.control.bill()).filter(({ seconds, to }) => seconds > 0 && to !== undefined);
  expect(unreadable).toBe(0);
  const linesOf = (id: string): LedgerEntry[] =>
    entries
      .filter(({ instanceId }) => instanceId === id)
      .sort((a, b) => a.from.localeCompare(b.from) || a.to.localeCompare(b.to));
  const wrong = billed.flatMap(({ instanceId, seconds, to }) => {
    const lines = linesOf(instanceId);
    const sum = lines.reduce((total, line) => total + line.seconds, 0);
    const kinds = lines.map((line) => (line.spare ? 'spare' : 'job')).join();
    const isWhole = lines.every((line, index) => index === 0 || line.from === lines[index - 1]!.to);
    // What a poll takes, on a busy machine.
    const mostLate = taken.has(instanceId) ? 240 : 10;
    const isRight = sum > seconds - 10 && sum < seconds + 50 + mostLate && late(lines.at(-1)?.to, to) <= mostLate;
    if (isRight && isWhole && ['spare', 'job', 'spare,job'].includes(kinds)) return [];
    return [`${instanceId}: billed ${seconds} s to ${to}, in the ledger ${JSON.stringify(lines)}`];
  });
  expect(wrong).toEqual([]);
  const known = new Set((await world.sandbox.control.bill()).map(({ instanceId }) => instanceId));
  expect(entries.filter(({ instanceId }) => !known.has(instanceId))).toEqual([]);
}

/** Seconds by which one time is after the other. */
function late(time: string | undefined, other: string | undefined): number {
  return time === undefined ? Infinity : (Date.parse(time) - Date.parse(other ?? time)) / 1000;
}

async function until(what: string, holds: () => boolean, limitMs = 120_000): Promise<void> {
  for (const deadline = Date.now() + limitMs; !holds(); await sleep(50))
    if (Date.now() > deadline) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
}
