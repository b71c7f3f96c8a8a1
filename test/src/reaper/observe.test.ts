import type { CloudInstance } from '../../../src/cloud/types';
import { observe, type ObserveDependencies } from '../../../src/reaper/observe';
import type { JobStatus } from '../../../src/gitlab/api';
import { jobTags } from '../../../src/jobs/identity';
import type { JobRecord } from '../../../src/jobs/types';
import { instanceFacts, preparingRecord } from '../../support/job-record';

const NOW = Date.parse('2026-11-24T12:30:00.000Z');
const STACK = 'job-gitlab.example.com-1001-1';

function instance(
  jobId = 1001,
  change: Partial<CloudInstance> & { executor?: string; folder?: string; machine?: string } = {},
): CloudInstance {
  const { identity } = preparingRecord(jobId);
  return {
    instanceId: `i-${jobId}`,
    status: 'Running',
    instanceType: 'ecs.c7.xlarge',
    market: 'spot',
    durationHours: 1,
    zoneId: 'z',
    privateAddress: '10.0.0.9',
    publicAddress: undefined,
    tags: jobTags({
      identity,
      projectPath: 'root/demo',
      runnerId: '7',
      executorId: change.executor ?? 'host-1',
      stateDir: change.folder ?? '/s',
      machine: change.machine,
    }),
    createdAt: '2026-11-24T12:00Z',
    autoReleaseTime: '2026-11-24T13:30:00Z',
    recycling: false,
    ...change,
  };
}

const stack = (name = STACK, lastUpdate?: string) => ({
  name,
  lastUpdate,
  resourceCount: undefined,
  updateInProgress: false,
});

const storeOf = (records: () => readonly JobRecord[]): ObserveDependencies['store'] => ({
  list: () => records().map((record) => ({ stackName: record.identity.stackName, record })),
  takerOf: () => undefined,
});

const withTags = <T extends { readonly tags: Readonly<Record<string, string>> }>(
  things: readonly T[],
  tags: Readonly<Record<string, string>>,
): T[] => things.filter((one) => Object.entries(tags).every(([key, value]) => one.tags[key] === value));

/** Gateways that know of nothing, but for what a test says. */
function gateways(change: Partial<ObserveDependencies> & { instances?: CloudInstance[]; records?: JobRecord[] } = {}) {
  const { instances = [], records = [], ...rest } = change;
  const warnings: string[] = [];
  const dependencies: ObserveDependencies = {
    cloud: {
      findInstances: (tags) => Promise.resolve(withTags(instances, tags)),
      findSecurityGroups: () => Promise.resolve([]),
      findKeyPairs: () => Promise.resolve([]),
    },
    engine: { list: () => Promise.resolve([]) },
    store: storeOf(() => records),
    executorId: 'host-1',
    stateDir: '/s',
    machine: 'm-1',
    ownBackend: true,
    now: () => NOW,
    bootMs: Date.parse('2026-11-20T00:00:00Z'),
    hookAlive: () => false,
    destroyerAlive: () => false,
    folderChangedMs: () => undefined,
    askGitLab: undefined,
    warn: (line) => warnings.push(line),
    ...rest,
  };
  return { dependencies, warnings };
}

describe('what the reaper sees', () => {
  test('puts together what backend, cloud and disk know of one job', async () => {
    const { dependencies } = gateways({
      instances: [instance()],
      records: [preparingRecord()],
      engine: { list: () => Promise.resolve([stack(STACK, '2026-11-24T12:20:00Z'), stack('foundation')]) },
    });
    const seen = await observe(dependencies);
    expect(seen).toMatchObject([
      {
        stackName: STACK,
        owner: { kind: 'this-host' },
        inBackend: true,
        inCloud: 1,
        instances: [{ instanceId: 'i-1001' }],
        ageMs: 10 * 60_000,
        overdue: false,
        idle: { ms: 30 * 60_000 },
        gitlab: { state: 'unknown' },
      },
    ]);
  });

  test('has groups and key pairs without an instance, and leaves out tags that name no job', async () => {
    const { identity } = preparingRecord(1002);
    const tags = jobTags({ identity, projectPath: 'root/demo', runnerId: '7', executorId: 'host-1', stateDir: '/s' });
    const group = { id: 'sg-1', tags, createdAt: '2026-11-24T12:00:00Z' };
    const { dependencies } = gateways({
      instances: [instance(1001, { tags: { 'gitlab-spot': 'job', 'gitlab-spot/stack': 'not-a-job' } })],
    });
    const seen = await observe({
      ...dependencies,
      cloud: { ...dependencies.cloud, findSecurityGroups: (tags) => Promise.resolve(withTags([group], tags)) },
    });
    expect(seen).toMatchObject([{ stackName: identity.stackName, inCloud: 1, instances: [], inBackend: false }]);
  });

  test.each([
    ['this host’s, by its tag', instance(), true, { kind: 'this-host' }],
    [
      'another host’s, by its tag',
      instance(1001, { executor: 'host-2' }),
      true,
      { kind: 'other-host', executorId: 'host-2' },
    ],
    [
      'another service’s of this host, by its state folder',
      instance(1001, { folder: '/home/x' }),
      true,
      { kind: 'other-host', executorId: 'host-1 with state folder /home/x' },
    ],
    ['this host’s, in a backend of its own', undefined, true, { kind: 'this-host' }],
    ['nobody’s, in a backend of several', undefined, false, { kind: 'unknown' }],
  ])('is %s', async (_title, found, ownBackend, owner) => {
    const { dependencies } = gateways({
      instances: found ? [found] : [],
      engine: { list: () => Promise.resolve([stack()]) },
      ownBackend,
    });
    expect((await observe(dependencies))[0]?.owner).toEqual(owner);
  });

  test('a spare machine that a job was handed counts as the job’s, by its record', async () => {
    const spare = 'spare-standard-0123456789ab';
    const handed = { ...preparingRecord(), spare: { stackName: spare, claimedAt: '2026-11-24T12:10:00.000Z' } };
    const tags = { 'gitlab-spot': 'spare', 'gitlab-spot/stack': spare, 'gitlab-spot/executor': 'host-1' };
    const { dependencies } = gateways({
      instances: [instance(1001, { tags })],
      records: [handed],
      engine: { list: () => Promise.resolve([stack(spare)]) },
    });
    expect(await observe(dependencies)).toMatchObject([{ stackName: STACK, inBackend: true, inCloud: 1 }]);
  });

  test('and by the tags where there is no record; one that nobody has is its own', async () => {
    const [spare, other] = ['spare-standard-0123456789ab', 'spare-standard-0123456789ac'];
    const tags = { 'gitlab-spot': 'job', 'gitlab-spot/stack': spare!, 'gitlab-spot/holder': STACK };
    const { dependencies } = gateways({
      instances: [
        instance(1001, { tags }),
        instance(1002, { tags: { 'gitlab-spot': 'spare', 'gitlab-spot/stack': other! } }),
      ],
      engine: { list: () => Promise.resolve([stack(spare), stack(STACK)]) },
    });
    expect(await observe(dependencies)).toMatchObject([
      { stackName: STACK, inBackend: true, inCloud: 1 },
      { stackName: other, inBackend: false, inCloud: 1 },
    ]);
  });

  test('an instance beyond its release time is overdue', async () => {
    const { dependencies } = gateways({ instances: [instance(1001, { autoReleaseTime: '2026-11-24T12:29:00Z' })] });
    expect((await observe(dependencies))[0]?.overdue).toBe(true);
  });

  test('of two machines with one name each has its own, and what tells no machine', async () => {
    const copied = { ...preparingRecord(1004), machine: 'm-2' };
    const instances = [instance(1001, { machine: 'm-1' }), instance(1002, { machine: 'm-2' }), instance(1003)];
    const { dependencies } = gateways({ instances, records: [copied, { ...preparingRecord(1005), machine: 'm-1' }] });
    const theirs = { kind: 'other-host', executorId: 'host-1 on machine m-2', isNamesake: true };
    const ours = { kind: 'this-host' };
    expect((await observe(dependencies)).map(({ owner }) => owner)).toEqual([ours, theirs, ours, theirs, ours]);
  });

  test('a forward step of the clock is no restart, and no idle time', async () => {
    const here = { bootId: 'b', upMs: 5_000_000 };
    const record = { ...preparingRecord(), writtenAt: { bootId: 'b', upMs: 4_990_000 } };
    const stepped = { now: () => NOW + 7_200_000, bootMs: NOW + 7_100_000, bootTime: () => here };
    const { dependencies } = gateways({ records: [record], ...stepped });
    expect((await observe(dependencies))[0]?.idle).toEqual({ ms: 10_000 });
    const other = gateways({ records: [record], bootTime: () => ({ ...here, bootId: 'c' }) });
    expect((await observe(other.dependencies))[0]?.idle).toBe('before-boot');
  });

  test('a record that was last touched before the host’s start is before-boot', async () => {
    const { dependencies } = gateways({ records: [preparingRecord()], bootMs: NOW - 60_000 });
    expect((await observe(dependencies))[0]?.idle).toBe('before-boot');
  });

  test('a job that is destroyed while the cloud is asked is nobody’s to adopt', async () => {
    let records = [preparingRecord()];
    const { dependencies } = gateways({
      instances: [instance()],
      store: storeOf(() => records),
      // Listed just before the destroyer is through with it.
      engine: { list: () => Promise.resolve([stack()]).finally(() => (records = [])) },
    });
    expect(await observe(dependencies)).toEqual([]);
  });

  test('a job that begins while the cloud is asked has its record', async () => {
    let records: JobRecord[] = [];
    const { dependencies } = gateways({
      instances: [instance()],
      store: storeOf(() => records),
      engine: { list: () => Promise.resolve([stack()]).finally(() => (records = [preparingRecord()])) },
    });
    expect(await observe(dependencies)).toMatchObject([{ record: { phase: 'preparing' } }]);
  });

  test.each(['engine', 'cloud'] as const)(
    'half a picture is none: it fails when the %s can not be asked',
    async (which) => {
      const { dependencies } = gateways({ records: [preparingRecord()] });
      const away = () => Promise.reject(new Error('away'));
      const broken =
        which === 'engine' ? { engine: { list: away } } : { cloud: { ...dependencies.cloud, findKeyPairs: away } };
      await expect(observe({ ...dependencies, ...broken })).rejects.toThrow('away');
    },
  );
});

describe('GitLab’s word', () => {
  const running: JobRecord = { ...preparingRecord(), phase: 'running', instance: instanceFacts };
  const word = async (answer: JobStatus | Error, change: Parameters<typeof gateways>[0] = { records: [running] }) => {
    const asked: object[] = [];
    const { dependencies, warnings } = gateways({
      ...change,
      askGitLab: (question) => {
        asked.push(question);
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
    });
    const [seen] = await observe(dependencies);
    return { gitlab: seen?.gitlab, asked, warnings };
  };
  const over: JobStatus = { state: 'over', status: 'failed', finishedAt: new Date(NOW - 60_000) };

  test.each<[string, JobStatus, object]>([
    ['active', { state: 'active' } as JobStatus, { state: 'running' }],
    ['over', over, { state: 'over', sinceMs: 60_000 }],
    ['missing', { state: 'missing' } as JobStatus, { state: 'over', sinceMs: Infinity }],
  ])('on a job that is %s', async (_title, answer, expected) => {
    expect(await word(answer)).toMatchObject({
      gitlab: expected,
      asked: [{ serverHost: 'gitlab.example.com', project: 'root/demo', jobId: 1001 }],
    });
  });

  test('is asked by the tags where there is no record', async () => {
    expect(await word(over, { instances: [instance()] })).toMatchObject({
      gitlab: { state: 'over' },
      asked: [{ serverHost: 'gitlab.example.com', project: 'root/demo', jobId: 1001 }],
    });
  });

  test('is not needed while a hook works on the job, nor once it is to be destroyed', async () => {
    const doomed = {
      ...running,
      phase: 'destroying',
      result: 'success',
      endedAt: '',
      tries: 0,
    } as unknown as JobRecord;
    expect((await word(over, { records: [running], hookAlive: () => true })).asked).toEqual([]);
    expect((await word(over, { records: [doomed] })).asked).toEqual([]);
  });

  test('that can not be had is unknown, with a warning', async () => {
    expect(await word(new Error('GitLab is away'))).toMatchObject({
      gitlab: { state: 'unknown' },
      warnings: [expect.stringContaining('GitLab is away')],
    });
  });
});
