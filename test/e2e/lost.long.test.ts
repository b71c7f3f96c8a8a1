import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cloudControl } from '../../sandbox/cloud/control';
import { HookedJob } from '../support/hooked-job';
import { readable, World } from '../support/world';

/**
 * A machine that is lost in the middle of a silent script, by each of its ways, with the limits
 * that a host has by default.
 */
jest.setTimeout(150_000);

interface Loss {
  readonly reason: string;
  readonly sentence: RegExp;
  /** Before the stage begins. */
  readonly before?: (job: HookedJob) => void;
  /** Does it; resolves when it is done. */
  readonly happen: (world: World, job: HookedJob) => Promise<void>;
}

const control = (world: World) => cloudControl(world.sandbox.info.endpoint);

const LOSSES: readonly Loss[] = [
  {
    reason: 'interrupted',
    sentence:
      /^ERROR: The cloud took the spot instance i-\w+ back\. GitLab runs the job again with `retry: when: runner_system_failure`\.\n$/,
    // Long enough for the instance to hear of it; the cloud itself gives 300 s.
    happen: (world, job) => control(world).interrupt(job.instanceId(), 8_000),
  },
  {
    reason: 'released',
    sentence: /^ERROR: The instance i-\w+ reached its release time \(\S+Z\) and is gone\.\n$/,
    // Its release time is half an hour away at least: the record's is brought near instead.
    before: (job) => {
      const record = JSON.parse(readFileSync(job.recordFile, 'utf8')) as object;
      writeFileSync(job.recordFile, JSON.stringify({ ...record, releaseAt: new Date().toISOString() }));
    },
    happen: (world, job) => control(world).vanish(job.instanceId()),
  },
  {
    reason: 'deleted',
    sentence:
      /^ERROR: The instance i-\w+ was deleted while the job ran: the cloud doesn't know it any more\. GitLab runs /,
    happen: (world, job) => control(world).deleteInstance(job.instanceId()),
  },
  {
    reason: 'unreachable',
    sentence: /^ERROR: The instance i-\w+ can't be reached any more: .* has not answered for 30 s .*\. GitLab runs /,
    happen: (world, job) => control(world).disconnect(job.instanceId()),
  },
];

interface Ended {
  readonly job: HookedJob;
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From the loss (its end, where it is announced) to the hook's end. */
  readonly seconds: number;
}

let world: World;
const ended = new Map<string, Ended>();
let afterTheNotice: Awaited<ReturnType<typeof losesWhatWasToldOf>>;

beforeAll(async () => {
  // As with real instances, one that is deleted is `Stopping` for a while.
  world = await World.start({ delays: { stoppingMs: 4_000 } });
  // All at once: what they need is time, not the processor.
  await Promise.all([
    ...LOSSES.map(async (loss) => ended.set(loss.reason, await lose(loss))),
    losesWhatWasToldOf().then((found) => (afterTheNotice = found)),
  ]);
}, 150_000);
afterAll(() => world.close());

async function lose({ reason, before, happen }: Loss): Promise<Ended> {
  const job = new HookedJob(world);
  await job.prepare();
  before?.(job);
  const stage = job.run('echo begun; sleep 300; echo never');
  await stage.prints('begun');
  await happen(world, job);
  if (reason === 'interrupted') await gone(job);
  const startMs = Date.now();
  const { code, stdout, stderr } = await stage.ended;
  return {
    job,
    code,
    stdout: readable(stdout.toString()),
    stderr: readable(stderr),
    seconds: (Date.now() - startMs) / 1000,
  };
}

/** Gone between two stages, the first of which was told. */
async function losesWhatWasToldOf() {
  const job = new HookedJob(world);
  await job.prepare();
  const first = job.run('echo begun; sleep 9');
  await first.prints('begun');
  await control(world).interrupt(job.instanceId(), 60_000);
  const { stdout } = await first.ended;
  await control(world).vanish(job.instanceId());
  const { code, stderr } = await job.run('echo never', 'after_script').ended;
  await job.cleanUp();
  return { told: readable(stdout.toString()), code, stderr: readable(stderr) };
}

async function gone(job: HookedJob): Promise<void> {
  const isThere = async () =>
    (await control(world).leftovers()).instances.some(
      ({ instanceId, status }) => instanceId === job.instanceId() && status === 'Running',
    );
  while (await isThere()) await sleep(100);
}

describe.each(LOSSES)('an instance that is $reason', ({ reason, sentence }) => {
  const of = (): Ended => ended.get(reason)!;

  test('ends the silent stage within 30 s, as a system failure that names the reason in one sentence', () => {
    const { code, stdout, stderr, seconds } = of();
    expect(stderr).toMatch(sentence);
    expect(code).toBe(2);
    expect(stdout).toContain('begun');
    expect(stdout).not.toContain('never');
    expect(seconds).toBeLessThan(31);
  });

  test('is remembered: later stages fail at once, and error and cost are told once', async () => {
    const { job, stdout } = of();
    expect(job.record()).toMatchObject({ phase: 'lost', loss: { reason } });
    const calls = (await control(world).calls()).length;
    const later = await job.run('echo never', 'after_script').ended;
    expect({ code: later.code, stdout: later.stdout.toString(), stderr: readable(later.stderr) }).toEqual({
      code: 2,
      stdout: '',
      stderr: '',
    });
    expect(stdout.match(/^Cost: /gm)).toHaveLength(1);
    // Neither SSH nor the cloud is asked again.
    expect((await control(world).calls()).length).toBe(calls);
  });
});

test('an interruption that one stage was told of is the reason for what the next one finds', () => {
  const { told, code, stderr } = afterTheNotice;
  expect(told).toMatch(/The cloud takes this spot instance back in \d+ min \d+ s/);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(LOSSES[0]!.sentence) as string });
});

test('and nothing is left of any of them', async () => {
  await Promise.all([...ended.values()].map(({ job }) => job.cleanUp()));
  await world.nothingLeft(60_000);
});
