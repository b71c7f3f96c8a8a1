import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger } from '../../src/billing/ledger';
import type { LedgerEntry } from '../../src/billing/types';
import { RecordStore } from '../../src/jobs/record-store';
import { TAG } from '../../src/jobs/types';
import type { Hooks, PipelineResult } from '../../sandbox/runner/types';
import { builtHooks } from '../../sandbox/start';
import { seeded } from '../support/crashes';
import { figures } from '../support/figures';
import { killAll } from '../support/killers';
import { wrongInLedger } from '../support/spare-bill';
import { World } from '../support/world';

/**
 * A runner host that dies with everything on it, at any moment of the jobs it has, and comes back
 * with its disk or without it, while another host's job runs on. Every other host keeps spare
 * machines: some wait, one is being made, jobs have others. One `reap` later nothing of the dead
 * host's jobs and spares is left, and the other host's job was not touched. HOST_DEATHS=40 for the
 * long version, CRASH_SEED for other moments.
 */
const DEATHS = Number(process.env.HOST_DEATHS ?? 8);
const random = seeded(Number(process.env.CRASH_SEED ?? 1));
jest.setTimeout(240_000);

/**
 * What the host comes back without; its backend's stacks can't be read where the passphrase went
 * too.
 */
const LOSSES = [
  ['with its disk', []],
  ['without its state', ['state']],
  ['without its state and backend: only the tags remain', ['state', 'backend']],
  ['without its state and passphrase', ['state', 'passphrase']],
] as const;
/**
 * So many hooks begin or end while three jobs run; after the ninth all three prepare, which takes
 * longest.
 */
const [MOMENTS, PREPARING] = [50, 9] as const;

const deaths = Array.from({ length: DEATHS }, (_, index) => {
  const [loss, lost] = LOSSES[index % LOSSES.length]!;
  const spares = Math.floor(index / LOSSES.length) % 2 === 1;
  const [moment, mostMs] = random() < 0.5 ? [PREPARING, 8_000] : [1 + Math.floor(random() * MOMENTS), 1_500];
  const ms = Math.floor(random() * mostMs);
  return { number: index + 1, loss, lost, moment, ms, spares, kind: spares ? 'with spares' : 'without spares' };
});

let world: World;
let other: { id: number; mayEnd: string; ended: Promise<PipelineResult> };
beforeAll(async () => {
  world = await World.start();
  other = await jobOfAnotherHost();
});
afterAll(() => world.close());

const inside = (...names: string[]) => path.join(world.sandbox.directory, ...names);

test.each(deaths)(
  'a host $kind that dies $ms ms after moment $moment of its jobs and comes back $loss',
  async ({ loss, lost, moment, ms, number, spares }) => {
    rmSync(inside('dead'), { force: true });
    const billedBefore = new Set((await world.sandbox.control.bill()).map(({ instanceId }) => instanceId));
    const environment = { GITLAB_SPOT_PROFILES_FILE: inside('profiles.yaml') };
    page(spares ? 2 : 0);
    if (spares) expect(await world.gitlabSpot(['spares', 'fill'], environment)).toMatchObject({ exitCode: 0 });
    let seen = 0;
    let reached: () => void = () => undefined;
    const momentCame = new Promise<void>((resolve) => (reached = resolve));
    let gitlab = '';
    const pipeline = world.pipeline(jobs(number), {
      hooks: hooksOfTheHost(),
      environment,
      concurrency: 3,
      onProject: (project) => (gitlab = project.gitlab.url),
      onEvent: ({ type }) => type === 'hook' && ++seen === moment && reached(),
    });
    await Promise.race([momentCame, pipeline]);
    await sleep(ms);
    writeFileSync(inside('dead'), '');
    const died = killAll(world.sandbox.directory);
    // A process that was just being started is seen at a second look.
    while (killAll(world.sandbox.directory).length > 0) await sleep(20);
    const had = sparesThere();
    lost.forEach(lose);
    await pipeline;
    page(0);

    const { instances } = await world.sandbox.control.leftovers();
    const reap = ['reap', '--grace', '0s', '--yes', '--json'];
    expect(
      await world.gitlabSpot(reap, { ...environment, ...(random() < 0.5 ? { GITLAB_SPOT_GITLAB_URL: gitlab } : {}) }),
    ).toMatchObject({
      exitCode: 0,
      stderr: expect.not.stringContaining('failed') as string,
    });
    expect(await leftOfTheDeadHost()).toEqual([]);
    figures(
      `host dead ${loss}: ${died.length} processes died: ${died.join(', ')}; ${instances.length - 1} instances were left; spares: ${had}`,
    );

    const ledger = await entriesSince(billedBefore);
    const billed = (await world.sandbox.control.bill()).filter(
      ({ instanceId, seconds, to }) => to !== undefined && seconds > 0 && !billedBefore.has(instanceId),
    );
    const known =
      lost.length === 0
        ? billed
        : billed.filter(({ instanceId }) => instances.some((one) => one.instanceId === instanceId));
    const inLedger = ledger.map(({ instanceId }) => instanceId);
    expect(known.map(({ instanceId }) => instanceId).filter((id) => !inLedger.includes(id))).toEqual([]);
    const isMine = (id: string): boolean => known.some(({ instanceId }) => instanceId === id);
    const { control } = world.sandbox;
    expect(await wrongInLedger({ directory: inside('state', 'ledger'), control, isMine })).toEqual([]);
    // A machine that waited has a line for that, and one of the job that took it.
    const lines = ledger.map(({ instanceId, spare }) => `${instanceId}${spare ? ' as a spare' : ''}`);
    expect(new Set(lines).size).toBe(lines.length);
  },
);

test('the other host’s job ends well', async () => {
  writeFileSync(other.mayEnd, '');
  expect((await other.ended).jobs).toMatchObject([{ state: 'success', attempts: 1 }]);
  while (existsSync(inside('other', 'state', 'jobs')) && readdirSync(inside('other', 'state', 'jobs')).length > 0)
    await sleep(100);
  await world.nothingLeft();
});

/** What became of the spare machines of this host, by its disk. */
function sparesThere(): string {
  const store = new RecordStore(inside('state'));
  const there = store.spares().map(({ phase, identity }) => {
    const taker = store.takerOf(identity.stackName);
    return taker === undefined || taker === identity.stackName ? phase : 'handed over';
  });
  return there.length > 0 ? there.sort().join(', ') : 'none';
}

function page(keep: number): void {
  const spares = keep > 0 ? `\n    spares: { keep: ${keep} }` : '';
  const profile = `types: [ecs.c7.xlarge, ecs.u1-c1m2.xlarge]\n    image: gitlab-spot-java23\n    spot: { maxPrice: 0.9 }`;
  writeFileSync(inside('profiles.yaml'), `default: hot\nprofiles:\n  hot:\n    ${profile}${spares}\n`);
}

/** One that is soon over, so that its destroyer works; one that runs; one that waits. */
function jobs(number: number): string {
  return [0, 2, 6]
    .flatMap((seconds) => [
      `victim-${number}-${seconds}:`,
      '  variables: {GIT_STRATEGY: none}',
      `  script: [sleep ${seconds}]`,
    ])
    .join('\n');
}

/** The runner dies with its host: from then on no hook of it does anything. */
function hooksOfTheHost(): Hooks {
  const gate = inside('host');
  writeFileSync(gate, `#!/bin/sh\n[ -e '${inside('dead')}' ] && exit 2\nexec "$@"\n`);
  chmodSync(gate, 0o700);
  const { config, prepare, run, cleanup } = builtHooks();
  return { config: [gate, ...config], prepare: [gate, ...prepare], run: [gate, ...run], cleanup: [gate, ...cleanup] };
}

async function jobOfAnotherHost(): Promise<typeof other> {
  const [mayEnd, begun] = [inside('cache', 'other-may-end'), inside('cache', 'other-has-begun')];
  mkdirSync(inside('other'));
  const script = `echo $CI_JOB_ID > ${begun}; until [ -e ${mayEnd} ]; do sleep 0.5; done`;
  const ended = world.pipeline(`other:\n  script:\n    - ${JSON.stringify(script)}`, {
    environment: {
      GITLAB_SPOT_EXECUTOR_ID: 'other-host',
      GITLAB_SPOT_STATE_DIR: inside('other', 'state'),
      PULUMI_BACKEND_URL: `file://${inside('other', 'backend')}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
    },
  });
  ended.catch(() => undefined);
  while (!existsSync(begun)) await Promise.race([sleep(100), ended]);
  return { id: Number(readFileSync(begun, 'utf8')), mayEnd, ended };
}

function lose(name: string): void {
  rmSync(inside(name), { recursive: true, force: true });
  if (name === 'passphrase') writeFileSync(inside(name), `of-another-disk-${random()}`, { mode: 0o600 });
  else mkdirSync(inside(name), { mode: 0o700 });
}

async function leftOfTheDeadHost(): Promise<string[]> {
  const { instances } = await world.sandbox.control.leftovers();
  const others = instances.filter(({ tags }) => tags[TAG.job] === String(other.id));
  expect(others).toHaveLength(1);
  const { instanceId, securityGroupIds, keyPairName } = others[0]!;
  const its = new Set([
    `instance ${instanceId}`,
    `key pair ${keyPairName}`,
    ...securityGroupIds.map((id) => `security group ${id}`),
  ]);
  return (await world.leftovers()).filter((line) => !its.has(line));
}

async function entriesSince(before: ReadonlySet<string>): Promise<readonly LedgerEntry[]> {
  const ledger = new Ledger(inside('state', 'ledger'));
  const { entries } = await ledger.entries({ from: '2000-01-01', to: '2999-12-31' });
  return entries.filter(({ instanceId }) => !before.has(instanceId));
}
