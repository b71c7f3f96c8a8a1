import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { accessOf, runningRunner } from '../../../src/doctor/access';
import type { ProjectSpend } from '../../../src/billing/project-spend';
import { clock } from '../../../src/doctor/clock';
import { locks, plugin } from '../../../src/doctor/engine';
import { memory, programs, realHost, stateFolder, temporaryFolder, type Host } from '../../../src/doctor/host';
import { lookAt } from '../../../src/doctor/finding';
import { budget, budgetCurrency, destroys, namesakes, reaper } from '../../../src/doctor/upkeep';
import { preparingRecord } from '../../support/job-record';
import { testUnless } from '../../support/skip';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const host = (change: Partial<Host> = {}): Host => ({
  space: () => ({ freeBytes: 10 * GIB, freeFiles: 1_000_000 }),
  tryToWrite: () => undefined,
  memoryBytes: () => 4 * GIB,
  find: (program) => `/usr/bin/${program}`,
  nodeVersion: '22.23.3',
  ...change,
});
const failing = (code: string) => () => {
  throw Object.assign(new Error(code), { code });
};

let directory: string;
beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'doctor-'))));
afterEach(() => rmSync(directory, { recursive: true }));

describe('disk', () => {
  test.each<[string, Partial<Host>, string, RegExp]>([
    ['a full disk', { tryToWrite: failing('ENOSPC') }, 'bad', /is full \(ENOSPC\)/],
    ['a read-only file system', { tryToWrite: failing('EROFS') }, 'bad', /nothing can be written .*EROFS/],
    ['a folder of somebody else', { tryToWrite: failing('EACCES') }, 'bad', /EACCES/],
    ['little space', { space: () => ({ freeBytes: 100 * MIB, freeFiles: undefined }) }, 'warning', /only 100 MiB/],
    ['hardly any space', { space: () => ({ freeBytes: 5 * MIB, freeFiles: undefined }) }, 'bad', /only 5 MiB/],
    ['few inodes', { space: () => ({ freeBytes: GIB, freeFiles: 50 }) }, 'bad', /only 50 files \(inodes\)/],
  ])('names %s', (_title, change, state, detail) => {
    expect(temporaryFolder(host(change), directory)).toMatchObject({
      state,
      detail: expect.stringMatching(detail) as string,
    });
  });

  test('the state folder is private, and can be made', () => {
    const stateDir = path.join(directory, 'state');
    expect(stateFolder({ stateDir }, host())).toMatchObject({ state: 'good' });
    chmodSync(stateDir, 0o755);
    expect(stateFolder({ stateDir }, host())).toMatchObject({
      state: 'warning',
      remedy: `Run \`chmod 700 ${stateDir}\`.`,
    });
    expect(stateFolder({ stateDir: '/dev/null/state' }, host())).toMatchObject({ state: 'bad' });
  });

  testUnless(
    process.getuid?.() === 0 ? undefined : 'only root may give files away',
    'what root has left in the state folder of another user is named, with what gives it back',
    () => {
      const stateDir = path.join(directory, 'state');
      const owned = (name: string, mode: number, uid: number, isFolder = false) => {
        const file = path.join(stateDir, name);
        if (isFolder) mkdirSync(file, { recursive: true });
        else writeFileSync(file, '');
        chmodSync(file, mode);
        chownSync(file, uid, uid);
      };
      owned('', 0o700, 4242, true);
      owned('ledger', 0o700, 4242, true);
      owned('ledger/open', 0o644, 0);
      owned('ledger/own', 0o400, 4242);
      expect(stateFolder({ stateDir }, host())).toMatchObject({ state: 'good' });
      owned('ledger/day', 0o600, 0);
      owned('keys', 0o700, 0, true);
      owned('keys/0123456789abcdef', 0o600, 0);
      owned('log', 0o755, 0, true);
      expect(stateFolder({ stateDir }, host())).toMatchObject({
        state: 'warning',
        detail: `keys, ledger/day, log in ${stateDir} can't be used by its owner (uid 4242): jobs fail, or make anew what is there`,
        remedy: expect.stringContaining(`chown -RhH 4242:4242 ${stateDir}`) as string,
      });
      owned('passphrase', 0o600, 0);
      owned('', 0o700, 0, true);
      expect(stateFolder({ stateDir }, host())).toMatchObject({ state: 'good' });
      owned('', 0o700, 4242, true);
      expect(stateFolder({ stateDir }, host()).detail).toMatch(/^keys, ledger\/day, log and 1 more in /);
    },
  );

  test('is really written to', () => {
    expect(() => realHost('').tryToWrite('/proc')).toThrow();
    expect(realHost('').tryToWrite(directory)).toBeUndefined();
    expect(realHost(path.dirname(process.execPath)).find('node')).toBe(process.execPath);
  });
});

test('programs that are missing or old are named', () => {
  const lacking = programs({ runnerHelper: 'host' }, host({ find: () => undefined, nodeVersion: '20.20.2' }));
  expect(lacking.map(({ condition, state }) => [condition, state])).toEqual([
    ['node', 'warning'],
    ['ssh client', 'warning'],
    ['gitlab-runner', 'warning'],
  ]);
  expect(programs({ runnerHelper: 'none' }, host()).every(({ state }) => state === 'good')).toBe(true);
});

test('instances that are created at the same time fit into memory', () => {
  const limits = { concurrentUps: 4, acceptedUps: 6 } as Parameters<typeof memory>[0]['limits'];
  expect(memory({ limits }, host())).toMatchObject({ state: 'good' });
  expect(memory({ limits }, host({ memoryBytes: () => 2 * GIB }))).toMatchObject({ state: 'warning' });
});

test('and so do those that the cloud has accepted, whose `up` waits on', () => {
  const limits = { concurrentUps: 4, acceptedUps: 20 } as Parameters<typeof memory>[0]['limits'];
  expect(memory({ limits }, host())).toMatchObject({
    state: 'warning',
    detail: '4.0 GiB; 4 instances created at a time take 1.9 GiB, with 20 accepted ones 5.3 GiB',
    remedy: expect.stringContaining('GITLAB_SPOT_ACCEPTED_UPS'),
  });
  const one = { concurrentUps: 1, acceptedUps: 1 } as typeof limits;
  expect(memory({ limits: one }, host()).detail).toBe(
    '4.0 GiB; 1 instance created at a time takes 0.5 GiB, with 1 accepted one 0.6 GiB',
  );
});

describe('plugin', () => {
  const state = { needed: '3.108.0', onPath: undefined, installed: [], home: '/home/runner/.pulumi' };
  test.each<[string, Partial<Parameters<typeof plugin>[0]>, string, RegExp]>([
    ['none', {}, 'bad', /no alicloud plugin is installed in \/home\/runner\/\.pulumi/],
    ['another version', { installed: ['3.80.0'] }, 'bad', /only 3\.80\.0 is installed/],
    ['the right one', { installed: ['3.80.0', '3.108.0'] }, 'good', /3\.108\.0 in/],
    ['an older one on PATH', { onPath: { file: '/p', version: '3.99.9' } }, 'bad', /older than the 3\.108\.0/],
    ['a newer one on PATH', { onPath: { file: '/p', version: '3.110.1' } }, 'good', /3\.110\.1 at \/p/],
    ['one on PATH that is silent', { onPath: { file: '/p', version: '' } }, 'warning', /does not tell its version/],
  ])('%s', (_title, change, expected, detail) => {
    expect(plugin({ ...state, ...change })).toMatchObject({
      state: expected,
      detail: expect.stringMatching(detail) as string,
    });
  });

  test('what is missing is installed by one command', () => {
    expect(plugin(state).remedy).toContain('pulumi plugin install resource alicloud 3.108.0');
  });
});

test('a lock whose owner is gone is named with what clears it, one at work is not', () => {
  const lock = { stack: 'job-a-1-1', owner: 'root@vm (pid 7)', since: '2026-11-24T13:14:21Z', stale: true };
  expect(locks([{ ...lock, stale: false }], 'file:///b')).toMatchObject({ state: 'good' });
  expect(locks(undefined, 's3://b')).toMatchObject({ state: 'good' });
  expect(locks([lock, { ...lock, stack: 'foundation' }], 'file:///b')).toMatchObject([
    {
      state: 'warning',
      detail: expect.stringContaining('root@vm (pid 7)') as string,
      remedy: expect.stringContaining('reap') as string,
    },
    { state: 'warning', remedy: expect.stringContaining('pulumi cancel foundation') as string },
  ]);
});

test.each([
  [0, 'good', 'the same'],
  [20_000, 'good', '20 s apart'],
  [-120_000, 'warning', 'this host is 120 s ahead'],
  [16 * 60_000, 'bad', 'this host is 960 s behind'],
])('a clock that is %i ms off is %s', (aheadMs, state, words) => {
  expect(clock('the cloud', aheadMs)).toMatchObject({ state, detail: expect.stringContaining(words) as string });
});

describe("the runner's user", () => {
  const user = { pid: 7, uid: 4242, groups: [4242] };
  beforeEach(() => {
    chmodSync(directory, 0o755);
    mkdirSync(path.join(directory, 'state'), { mode: 0o700 });
    writeFileSync(path.join(directory, 'env'), '', { mode: 0o600 });
    writeFileSync(path.join(directory, 'open'), '', { mode: 0o644 });
  });
  const needed = (name: string, access: 'read' | 'write' = 'read') => [{ file: path.join(directory, name), access }];

  test('is told what it can not read, write or pass', () => {
    expect(accessOf(user, needed('open'), 0)).toMatchObject({ state: 'good' });
    expect(accessOf(user, needed('env'), 0)).toMatchObject({
      state: 'bad',
      detail: expect.stringContaining(`can't read ${directory}/env`) as string,
    });
    expect(accessOf(user, needed('state', 'write'), 0).detail).toContain(`can't write ${directory}/state`);
    expect(accessOf(user, needed('state/x'), 0).detail).toContain(`can't search ${directory}/state`);
    expect(accessOf({ ...user, uid: 0 }, needed('env'), 0)).toMatchObject({ state: 'good' });
  });

  test('is the one of the process that runs with this configuration', () => {
    const proc = path.join(directory, 'proc');
    const add = (pid: number, words: string[], uid: number) => {
      mkdirSync(path.join(proc, String(pid)), { recursive: true });
      writeFileSync(path.join(proc, String(pid), 'cmdline'), `${words.join('\0')}\0`);
      writeFileSync(
        path.join(proc, String(pid), 'status'),
        `Name:\tx\nUid:\t${uid}\t${uid}\t0\t0\nGid:\t9\t9\t9\t9\nGroups:\t9 10\n`,
      );
    };
    add(10, ['/usr/bin/gitlab-runner', 'run', '--config', '/elsewhere.toml'], 1);
    add(11, ['gitlab-runner', 'run', '--config=/mine.toml'], 2);
    add(12, ['gitlab-runner', 'run'], 3);
    add(13, ['node', 'run'], 4);
    add(14, ['gitlab-runner', 'run'], 5);
    writeFileSync(path.join(proc, '14', 'environ'), 'A=1\0CONFIG_FILE=/named.toml\0');
    expect(runningRunner('/named.toml', proc)).toMatchObject({ pid: 14 });
    expect(runningRunner('/mine.toml', proc)).toEqual({ pid: 11, uid: 2, groups: [9, 9, 10] });
    expect(runningRunner('/etc/gitlab-runner/config.toml', proc)).toMatchObject({ pid: 12 });
    expect(runningRunner('/other.toml', proc)).toBeUndefined();
  });
});

describe('upkeep', () => {
  const at = '2026-11-24T12:00:00.000Z';
  const run = { at, lastSuccessAt: at, destroyed: 0, left: 0, reported: 0 };
  const soon = Date.parse(at) + 60_000;
  test.each<[string, Parameters<typeof reaper>[0], number, string]>([
    ['a reaper that never ran', undefined, soon, 'warning'],
    ['a reaper that stopped', run, soon + 3_600_000, 'warning'],
    ['a reaper that fails', { ...run, lastSuccessAt: undefined }, soon, 'warning'],
    ['a reaper that leaves stacks', { ...run, left: 2 }, soon, 'warning'],
    ['a reaper at work', run, soon, 'good'],
  ])('%s', (_title, given, nowMs, state) => {
    expect(reaper(given, nowMs)).toMatchObject({ state });
  });

  test('a host on which no job has run needs no reaper yet', () => {
    expect(reaper(undefined, soon, true)).toMatchObject({ state: 'good' });
    expect(reaper({ ...run, left: 2 }, soon, true)).toMatchObject({ state: 'warning' });
  });

  test('destroys that were given up are named', () => {
    const ended = {
      phase: 'destroying',
      result: 'success',
      endedAt: at,
      instance: undefined,
      notBefore: undefined,
    } as const;
    const record = { ...preparingRecord(), ...ended };
    expect(destroys([{ ...record, tries: 1 }], 6)).toMatchObject({ state: 'good', detail: '1 pending' });
    expect(destroys([{ ...record, tries: 6 }], 6)).toMatchObject({
      state: 'warning',
      detail: expect.stringContaining('job-gitlab.example.com-1001-1') as string,
    });
  });

  test.each([
    ['alone', 'm-1', [undefined, 'm-1'], 'good'],
    ['beside a copy of it', 'm-1', ['m-1', 'm-2'], 'warning'],
    ['that nothing tells apart', undefined, ['m-2'], 'good'],
  ] as const)('a machine %s', (_how, machine, machines, state) => {
    expect(namesakes({ executorId: 'host-1' }, machine, machines)).toMatchObject({ condition: 'machine', state });
  });

  const spentOn = (yuan: number, project = 'team/app', key = project): ProjectSpend[] => [{ key, project, yuan }];

  test.each([
    ['in the account’s currency', 1, {}, 'USD', ['good']],
    ['in another one refuses every job', 1, {}, 'CNY', ['bad']],
    ['of a project does, too', undefined, { '*': 1 }, 'CNY', ['bad']],
    ['that nobody has set', undefined, {}, 'CNY', []],
    ['of an account that names no price', 1, {}, undefined, []],
  ] as const)('a budget %s', async (_how, monthlyYuan, perProjectYuan, billed, states) => {
    const dollars = { currency: 'USD', monthlyYuan, perProjectYuan, action: 'refuse' as const };
    const findings = await lookAt('currency of the budget', () => budgetCurrency(dollars, billed));
    expect(findings.map(({ state }) => state)).toEqual(states);
  });

  test('what can’t be read of the month refuses jobs where a budget does', () => {
    const limits = { currency: 'CNY' as const, monthlyYuan: 1, perProjectYuan: {}, action: 'refuse' as const };
    const torn = ["ledger/torn.json can't be read"];
    expect(budget(limits, [], torn)).toMatchObject({
      state: 'bad',
      detail: expect.stringContaining('torn.json') as string,
    });
    expect(budget({ ...limits, monthlyYuan: undefined }, [], torn)).toMatchObject({ state: 'warning' });
  });

  test('a budget of projects alone is not told as none', () => {
    const limits = { currency: 'CNY' as const, monthlyYuan: undefined, action: 'refuse' as const };
    expect(budget({ ...limits, perProjectYuan: {} }, spentOn(5)).detail).toBe('none is set; 5.00 yuan this month');
    expect(budget({ ...limits, perProjectYuan: { 'team/app': 50 } }, spentOn(5)).detail).toBe(
      'none is set but for projects; 5.00 yuan this month',
    );
  });

  test.each<[string, Record<string, number>, ProjectSpend[], string | undefined]>([
    ['is named', { 'team/app': 4 }, spentOn(5), '; team/app has spent 5.00 of 4 yuan: its jobs are refused'],
    [
      'is named where it is set by id',
      { 42: 4 },
      spentOn(5, 'team/app', 'gitlab.example.com#42'),
      '; team/app has spent 5.00 of 4 yuan: its jobs are refused',
    ],
    [
      'is named beside others, and only some of many',
      { '*': 4 },
      ['a', 'b', 'c', 'd'].flatMap((project) => spentOn(5, project)),
      '; a has spent 5.00 of 4 yuan, b has spent 5.00 of 4 yuan, c has spent 5.00 of 4 yuan (and 1 more): their jobs are refused',
    ],
    ['of nothing is meant so', { 'team/app': 0 }, spentOn(5), undefined],
    ['is not that of spare machines', { '*': 4 }, spentOn(5, ''), undefined],
  ])('the used up budget of a project %s', (_what, perProjectYuan, spent, told) => {
    const finding = budget({ currency: 'CNY', monthlyYuan: 100, action: 'refuse', perProjectYuan }, spent);
    const total = `${spent.length * 5}.00 of 100 yuan this month`;
    expect(finding).toMatchObject({ state: told ? 'warning' : 'good', detail: `${total}${told ?? ''}` });
  });

  test.each([
    [undefined, 'refuse', 500, 'good'],
    [100, 'refuse', 50, 'good'],
    [100, 'refuse', 90, 'warning'],
    [100, 'refuse', 101, 'bad'],
    [100, 'warn', 101, 'warning'],
  ] as const)('a budget of %s (%s) of which %i are spent', (monthlyYuan, action, spent, state) => {
    expect(budget({ currency: 'CNY', monthlyYuan, action, perProjectYuan: {} }, spentOn(spent))).toMatchObject({
      state,
    });
  });
});
