import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { trySlot } from '../../src/host/queue';
import { RecordStore } from '../../src/jobs/record-store';
import { TAG } from '../../src/jobs/types';
import type { PipelineResult } from '../../sandbox/runner/types';
import { builtFolder } from '../../sandbox/start';
import { until, victimJob, Victims } from '../support/crash-rounds';
import { figures } from '../support/figures';
import { Killers } from '../support/killers';
import { holdersTwice, wrongInLedger } from '../support/spare-bill';
import { counted, hasLine, hasTakenIn, lifeStep, SparePlan, titleOfBlow } from '../support/spare-crashes';
import type { Blow, Dealt, SpareLane } from '../support/spare-crashes';
import { startHook } from '../support/ssh/run-hook';
import { processesOf, type Found } from '../support/victims';
import { readable, World } from '../support/world';

/**
 * SIGKILL for whatever works on spare machines, at every step of their life (made, kept, taken by
 * one of several jobs, handed over, given up, destroyed), while the cloud takes some back and the
 * time of others ends, beside a job that runs on one. One `reap` later nothing is left of them, no
 * machine was had by two jobs, the healthy job was not touched, and the ledger has each second of
 * each machine once. SPARE_CRASHES=300 kills that hit for the long version, CRASH_SEED for another
 * choice. A host that dies whole with its spares: host-death.
 */
const KILLS = Number(process.env.SPARE_CRASHES ?? 24);
const SEED = Number(process.env.CRASH_SEED ?? 1);
jest.setTimeout(300_000);

/** These have to do with what befell a machine that waited. */
const BESIDE: ReadonlySet<SpareLane> = new Set(['refiller', 'claimant', 'queued', 'taker']);

const plan = new SparePlan(KILLS, SEED);
/** As many rounds again, at most, for what missed its victim. */
const MOST_ROUNDS = 2 * plan.rounds.length + 2;
/** A blow that comes to a machine twice is one; two machines wait for three jobs. */
const [KEPT, JOBS] = [2, 3] as const;

let world: World;
let environment: Record<string, string>;
let healthy: { id: number; mayEnd: string; ended: Promise<PipelineResult> };
const killers = new Killers();
/** Which job was told that it has a machine. */
const had = new Map<string, string>();
/** What the cloud took while nobody looked is known to the next look. */
const taken = new Set<string>();

const LINE = () => ({ directory: inside('state', 'slots', 'up'), slots: 1 });

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

test.each(plan.rounds.map(({ number, blows }) => ({ number, blows, titles: blows.map(titleOfBlow).join('; ') })))(
  'round $number: $titles: one reap later nothing is left, and nothing was had twice',
  ({ number, blows }) => play(number, blows),
);

test(
  'what missed its victim is dealt again until it hits',
  async () => {
    for (let number = plan.rounds.length + 1; plan.missing().size > 0; number++) {
      if (number > MOST_ROUNDS) throw new Error(`still not hit: ${counted(plan.missing())}`);
      const blows = plan.again(number);
      if (blows.length > 0) await play(number, blows);
    }
    figures(`${plan.kills} kills hit (seed ${SEED}): ${counted(plan.steps)}; ${had.size} machines were had`);
    expect(plan.kills).toBeGreaterThanOrEqual(KILLS);
  },
  (MOST_ROUNDS - plan.rounds.length) * 120_000,
);

test('the job beside them all ends well on its spare machine', async () => {
  writeFileSync(healthy.mayEnd, '');
  const [job] = (await healthy.ended).jobs;
  expect(job).toMatchObject({ state: 'success', attempts: 1 });
  expect(readable(job!.log)).toContain('Taking the spare machine');
  await world.nothingLeft();
});

/** One round: the blows of each lane, in the order of a spare's life. */
async function play(number: number, blows: readonly Dealt[]): Promise<void> {
  const ofLane = (...lanes: SpareLane[]) => blows.filter(({ lane }) => lanes.includes(lane));
  const mortal = { ...environment, ...killers.environment(world.sandbox.directory) };
  const names = Array.from({ length: JOBS }, (_, index) => `victim-${number}-${index}`);
  const victims = new Victims(names);
  const [made, tooLate] = [new AbortController(), new AbortController()];
  const strikes: Promise<void>[] = [];
  let befell = '';
  const order = ({ lane, blow }: Dealt, name?: string): void => {
    if (blow.kind === 'cloud') return;
    if (blow.kind === 'inside')
      return killers.plan(blow, { lane, jobName: blow.program === 'keeper' ? undefined : name });
    const isSpares = lane === 'maker' || lane === 'refiller';
    const isMine = (id: number): boolean =>
      isSpares ? id === 0 : name === undefined ? id !== healthy.id : id === victims.ids.get(name);
    const signal = lane === 'maker' ? AbortSignal.any([made.signal, tooLate.signal]) : tooLate.signal;
    strikes.push(
      killers.strike(blow, isMine, signal).then((text) => {
        if (text !== undefined) hit(lane, text, name !== undefined && hasTaken(victims.ids.get(name)));
      }),
    );
  };
  const hit = (lane: SpareLane, text: string, taken: boolean): void => {
    const step = lifeStep(lane, taken);
    plan.hit(lane, befell !== '' && BESIDE.has(lane) ? `${step} beside one that was ${befell}` : step);
    figures(`round ${number}, ${step}: ${text}`);
  };
  for (const [index, one] of ofLane('maker').entries()) {
    // The second has one to make whatever became of the first.
    page(index + 1);
    order(one);
    await keeper(mortal);
  }
  made.abort();
  page(KEPT);
  // Whatever they died of, the next one has two that wait.
  await keeper();
  for (const { blow } of ofLane('waiting')) {
    befell = (await happens(blow)) ?? '';
    if (befell !== '') plan.hit('waiting', befell);
  }
  ofLane('refiller', 'destroyer').forEach((one) => order(one));
  ofLane('claimant', 'queued', 'taker').forEach((one, index) => order(one, names[index]));
  ofLane('job').forEach((one) => order(one, names[0]));
  const line = hasLine(number) ? trySlot(LINE()) : undefined;
  const pipeline = world.pipeline(names.map(victimJob).join('\n'), {
    // Who stands in line for a slot takes a machine from there.
    environment: { ...mortal, ...(line ? { GITLAB_SPOT_CONCURRENT_UPS: String(LINE().slots) } : {}) },
    concurrency: JOBS,
    ...victims.watch,
  });
  try {
    const inLine = names.slice(0, ofLane('queued').length);
    await until('the jobs stand in line', () => inLine.every((name) => killers.isTaken('queued', name)));
    await until(
      'they have been told so',
      () => !processesOf(world.sandbox.directory).some(({ verb }) => verb === 'announce'),
    );
    line?.release();
    await victims.haveEnded();
    await until('keeper and destroyer have ended', () => !processesOf(world.sandbox.directory).some(isDetached));
    ofLane('reap').forEach((one) => order(one));
    if (ofLane('reap').length > 0) await reap({ ...mortal, GITLAB_SPOT_GITLAB_URL: victims.gitlab });
    tooLate.abort();
    await Promise.all(strikes);
    killers.harvest().forEach(({ lane, text, did }) => hit(lane as SpareLane, text, hasTakenIn(did)));

    page(0);
    expect(await reap({ GITLAB_SPOT_GITLAB_URL: victims.gitlab })).toMatchObject({ exitCode: 0 });
    expect(await leftOfOthersThan(healthy.id)).toEqual([]);
    await until('nobody works for a victim', () => processesOf(world.sandbox.directory).every(isHealthy), 10_000);
    expect(processesOf(world.sandbox.directory).some(isHealthy)).toBe(true);
    expect(
      await wrongInLedger({ directory: inside('state', 'ledger'), control: world.sandbox.control, taken }),
    ).toEqual([]);
  } catch (error) {
    const logOf = (name: string): string =>
      existsSync(inside('state', 'log', name)) ? readFileSync(inside('state', 'log', name), 'utf8').slice(-4_000) : '';
    throw new Error(
      `The destroyer's log ends with:\n${logOf('destroyer.log')}\nThe keeper's:\n${logOf('keeper.log')}`,
      {
        cause: error,
      },
    );
  } finally {
    line?.release();
    tooLate.abort();
    victims.areDoneWith();
    const result = await pipeline.catch(() => undefined);
    result?.jobs.forEach(({ id, log }) => remember(id, readable(log)));
  }
  expect(await holdersTwice(world.sandbox.control)).toEqual([]);
}

/** A spare of this host says that it is that job's. */
function hasTaken(jobId: number | undefined): boolean {
  const store = new RecordStore(inside('state'));
  const takers = store.spares().map(({ identity }) => store.takerOf(identity.stackName));
  return takers.some((taker) => taker?.includes(`-${jobId}-`));
}

/** As a hook starts it, but waited for. */
async function keeper(more: Record<string, string> = {}): Promise<void> {
  const program = path.resolve(builtFolder(), '../executor/keeper.js');
  await startHook([process.execPath, program], world.environment({ ...environment, ...more })).ended;
}

function reap(more: Record<string, string> = {}) {
  return world.gitlabSpot(['reap', '--grace', '0s', '--yes', '--json'], { ...environment, ...more });
}

/** To one that waits, if any does. @returns what */
async function happens(blow: Blow): Promise<string | undefined> {
  if (blow.kind !== 'cloud') return undefined;
  const { instances } = await world.sandbox.control.leftovers();
  const waiting = instances.find(({ tags, status }) => tags[TAG.kind] === 'spare' && status === 'Running');
  if (!waiting) return undefined;
  if (blow.what !== 'expired') taken.add(waiting.instanceId);
  if (blow.what === 'interrupted') await world.sandbox.control.interrupt(waiting.instanceId, 1_500);
  else if (blow.what === 'released') await world.sandbox.control.vanish(waiting.instanceId);
  else expire(waiting.tags[TAG.stack]!);
  return blow.what;
}

/** Nobody came in its time. */
function expire(stackName: string): void {
  const file = inside('state', 'jobs', stackName, 'record.json');
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

const isKeeper = ({ program }: Found): boolean => program === 'keeper';
const isDetached = ({ program }: Found): boolean => program === 'keeper' || program === 'destroyer';
const isHealthy = ({ jobId }: Found): boolean => jobId === healthy.id;

/** A job's log names each machine that it was given, of each attempt. */
function remember(id: number, log: string): void {
  for (const [, instanceId] of log.matchAll(/^Ready after .*?: (i-\w+) /gm)) {
    const other = had.get(instanceId!);
    if (other !== undefined) throw new Error(`${instanceId} was had by ${other} and by job ${id}`);
    had.set(instanceId!, `job ${id}`);
  }
}

/** What the cloud, the backend and the disk have, the healthy job's own left out. */
async function leftOfOthersThan(jobId: number): Promise<string[]> {
  const { instances, securityGroupIds, keyPairNames } = await world.sandbox.control.leftovers();
  const own = instances.filter(({ tags }) => tags[TAG.job] === String(jobId));
  expect(own).toHaveLength(1);
  const { instanceId, keyPairName, securityGroupIds: groups, tags } = own[0]!;
  const inBackend = (await world.leftovers()).filter((line) => line.startsWith('in the backend: '));
  return [
    ...instances.filter((one) => one.instanceId !== instanceId).map((one) => `instance ${one.instanceId}`),
    ...securityGroupIds.filter((id) => !groups.includes(id)).map((id) => `security group ${id}`),
    ...keyPairNames.filter((name) => name !== keyPairName).map((name) => `key pair ${name}`),
    ...inBackend.filter((line) => !line.includes(tags[TAG.stack]!)),
    ...world.jobFolders().filter((name) => name !== tags[TAG.holder]),
  ];
}
