import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ledger } from '../../../src/billing/ledger';
import { outcomeOfEntry } from '../../../src/billing/outcome';
import { endedJobs, entriesNamed, linesOf } from '../../../src/cli/ended-jobs';
import { trySlot } from '../../../src/host/queue';
import { keeperQueue } from '../../../src/host/slots';
import { RecordStore } from '../../../src/jobs/record-store';
import { gitlabSpot } from '../../support/cli';
import { ledgerEntry } from '../../support/ledger-entry';
import { preparingRecord } from '../../support/job-record';
import { spareRecord } from '../../support/spare';

const NOW = Date.parse('2026-11-24T12:00:00Z');
let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'jobs-test-'))));
afterEach(() => rmSync(folder, { recursive: true }));

describe('jobs that have ended', () => {
  test('are found by number or stack, each attempt, of so many days, and no spare machine', async () => {
    const ledger = new Ledger(folder);
    const second = ledgerEntry({ stack: 'job-gitlab.example.com-1001-2', attempt: 2, instanceId: 'i-2' });
    const old = { from: '2026-11-01T10:00:00.000Z', to: '2026-11-01T10:08:00.000Z' };
    await ledger.put(ledgerEntry());
    await ledger.put(second);
    await ledger.put(ledgerEntry({ stack: 'spare-1', instanceId: 'i-3', spare: true }));
    await ledger.put(ledgerEntry({ stack: 'job-gitlab.example.com-7-1', jobId: 7, instanceId: 'i-4', ...old }));
    const entries = await endedJobs(ledger, 7, NOW);
    expect(entries.map(({ instanceId }) => instanceId).sort()).toEqual(['i-1', 'i-2']);
    expect(entriesNamed(entries, '1001')).toHaveLength(2);
    expect(entriesNamed(entries, second.stack)).toEqual([second]);
    expect(entriesNamed(entries, '7')).toEqual([]);
    expect(entriesNamed(await endedJobs(ledger, 62, NOW), '7')).toHaveLength(1);
  });

  test.each([
    [{}, 'success'],
    [{ result: 'failed' as const }, 'failed'],
    [{ interrupted: true, confirmed: true }, 'interrupted'],
    [{ interrupted: true, confirmed: false }, 'interrupted (as the instance says)'],
  ])('%j ended as %s', (change, outcome) => {
    expect(outcomeOfEntry(ledgerEntry(change))).toBe(outcome);
  });

  test.each([
    [{ result: 'failed' as const, failedStage: { stage: 'build_script', exitCode: 3 } }, 'build_script: exit 3'],
    [
      { result: 'failed' as const, failedStage: { stage: 'step_script', exitCode: undefined } },
      'step_script: not ended',
    ],
    [{ result: 'system-failure' as const, loss: 'unreachable' as const }, 'did not answer'],
    [{ result: 'success' as const }, undefined],
  ])('%j has the cause %s', (change, cause) => {
    expect(new Map(linesOf(ledgerEntry(change))).get('cause')).toBe(cause);
  });

  test('cost says what part of it was the disk’s, in the account’s currency', () => {
    const lines = new Map(linesOf(ledgerEntry({ diskYuan: 0.0056, currency: 'USD' })));
    expect(lines.get('cost')).toBe('0.0207 USD, disk 0.0056 of it');
  });
});

describe('gitlab-spot', () => {
  const host = (): Record<string, string | undefined> => ({
    PATH: process.env.PATH,
    HOME: folder,
    GITLAB_SPOT_ENV_FILE: '/dev/null',
    GITLAB_SPOT_STATE_DIR: folder,
  });

  const account = {
    ALICLOUD_REGION: 'cn-x',
    GITLAB_SPOT_VPC_ID: 'vpc-1',
    ALICLOUD_ACCESS_KEY: 'id',
    ALICLOUD_SECRET_KEY: 'secret',
    ECS_ENDPOINT: '127.0.0.1:1',
  };

  test('jobs alone lists them; show and --all know what has ended', async () => {
    await expect(gitlabSpot(['jobs'], host())).resolves.toMatchObject({
      exitCode: 0,
      stdout: 'No job runs on this host.\n',
    });
    const at = new Date();
    await new Ledger(path.join(folder, 'ledger')).put(
      ledgerEntry({ from: at.toISOString(), to: at.toISOString(), interrupted: true }),
    );
    expect((await gitlabSpot(['jobs', 'ls', '--all'], host())).stdout).toMatch(
      /^job-\S+-1001-1 +interrupted +team\/app/m,
    );
    expect((await gitlabSpot(['jobs', 'show', '1001'], host())).stdout).toMatch(/^cost +0\.0207 yuan$/m);
    await expect(gitlabSpot(['jobs', 'show', '9'], host())).resolves.toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('There is no job 9 on this host') as string,
    });
  });

  test('show gives scripts one object, of a job that runs and of one that has ended alike', async () => {
    const record = preparingRecord();
    new RecordStore(folder).write(record);
    const ledger = new Ledger(path.join(folder, 'ledger'));
    const at = (hoursAgo: number): string => new Date(Date.now() - hoursAgo * 3_600_000).toISOString();
    const attempt = (number: number, hoursAgo: number) =>
      ledgerEntry({ jobId: 7, attempt: number, stack: `job-x-7-${number}`, from: at(hoursAgo), to: at(hoursAgo) });
    for (const entry of [attempt(1, 3), attempt(2, 2), attempt(3, 1)]) await ledger.put(entry);
    const show = async (job: string): Promise<unknown> =>
      JSON.parse((await gitlabSpot(['jobs', 'show', job, '--json'], host())).stdout);
    const { stackName } = record.identity;
    expect(await show(stackName)).toMatchObject({ stack: stackName, phase: 'preparing', project: record.project });
    expect(await show('7')).toMatchObject({
      ...{ stack: 'job-x-7-3', phase: 'ended', project: 'team/app' },
      earlier: [{ stack: 'job-x-7-1' }, { stack: 'job-x-7-2' }],
    });
    expect(await show('job-x-7-1')).not.toHaveProperty('earlier');
  });

  test.each([
    ['jobs', 'ls'],
    ['spares', 'ls'],
    ['drain', '--wait', '1s'],
  ])('%s %s: records that can’t be read do not look like none', async (...args) => {
    writeFileSync(path.join(folder, 'jobs'), 'no folder');
    await expect(gitlabSpot(args, { ...host(), ...account })).resolves.toMatchObject({
      exitCode: 1,
      stdout: expect.not.stringMatching(/No |no job runs/) as string,
      stderr: expect.stringContaining(`scandir ${folder}/jobs failed with ENOTDIR`) as string,
    });
  });

  test('jobs names a record that it leaves out', async () => {
    const { directory, record } = new RecordStore(folder).files('job-gitlab.example.com-7-1');
    mkdirSync(directory, { recursive: true });
    writeFileSync(record, '{');
    await expect(gitlabSpot(['jobs'], host())).resolves.toMatchObject({
      stderr: "The record of job-gitlab.example.com-7-1 can't be read (damaged), so it is left out\n",
    });
  });

  test.each([['show'], ['rm']])(
    'jobs %s of a record that it can’t read says why, not that there is none',
    async (action) => {
      const { directory, record } = new RecordStore(folder).files('job-gitlab.example.com-7-1');
      mkdirSync(directory, { recursive: true });
      writeFileSync(record, '{"version":99}');
      await expect(gitlabSpot(['jobs', action, '7'], host())).resolves.toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining(`${record} is of version 99`) as string,
      });
    },
  );

  test('spares fill --json prints JSON also where another keeper is at work', async () => {
    const keeper = trySlot(keeperQueue({ stateDir: folder }))!;
    const { stdout } = await gitlabSpot(['spares', 'fill', '--json'], { ...host(), ...account });
    keeper.release();
    expect(JSON.parse(stdout)).toEqual({ made: [], gone: [], failed: [] });
  });

  test.each([
    [['reap', '--watch', '0s'], '--watch takes a duration such as 90s, 5m or 1h, not "0s".'],
    [['image', 'build', 'tools', '--bandwidth', 'x'], '--bandwidth must be a whole number from 0 to 100.'],
    [['image', 'build', 'tools', '--bandwidth', '-1'], '--bandwidth must be a whole number from 0 to 100.'],
    [
      ['ram-policy', '--cache-bucket', '*'],
      `--cache-bucket takes a bucket's name, such as gitlab-spot-cache, not "*".`,
    ],
    [['ram-policy', '--state-bucket'], `--state-bucket takes a bucket's name, such as gitlab-spot-cache, not "".`],
    [
      ['init', '--yes', '--secret-key-file', '/nowhere'],
      "access key secret can't be read from /nowhere (ENOENT). Pass a file that holds nothing else with --secret-key-file.",
    ],
  ])('%j is refused before anything is asked or made', async (args, sentence) => {
    const env = { ...host(), ...account, GITLAB_SPOT_ENV_FILE: path.join(folder, 'env') };
    writeFileSync(env.GITLAB_SPOT_ENV_FILE, '');
    await expect(gitlabSpot(args, env)).resolves.toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `gitlab-spot: ${sentence}\n`,
    });
  });

  test('spares say what they cost in what the account pays in', async () => {
    new RecordStore(folder).write(spareRecord({ startMs: Date.now() }, { currency: 'USD' }));
    const spares = (...args: string[]) => gitlabSpot(['spares', 'ls', ...args], { ...host(), ...account });
    expect((await spares()).stdout).toMatch(/ UNTIL \(UTC\) +COST\n.* 0\.\d{4} USD\n$/);
    const [spare] = JSON.parse((await spares('--json')).stdout) as [object];
    expect(spare).toMatchObject({ usdSoFar: expect.any(Number) as number, instance: { priceUsdPerHour: 0.155 } });
  });

  test.each([
    [
      ['image', 'lss'],
      /^gitlab-spot: Unknown command: image lss\. Did you mean ls\?\nSee `gitlab-spot image --help`\.\n$/,
    ],
    [['--verbose', 'jbos'], /^gitlab-spot: Unknown command: jbos\. Did you mean jobs\?\nSee `gitlab-spot --help`\.\n$/],
    [
      ['spares'],
      /^gitlab-spot: Incomplete: the help shows in <> what has to follow\.\nSee `gitlab-spot spares --help`\.\n$/,
    ],
    [['jbos'], /^gitlab-spot: Unknown command: jbos\. Did you mean jobs\?\nSee `gitlab-spot --help`\.\n$/],
    [['cost', '--bz'], /^gitlab-spot: Unknown argument: bz\nSee `gitlab-spot cost --help`\.\n$/],
  ])('%j is told in one sentence, without the whole help', async (args, sentence) => {
    const { exitCode, stdout, stderr } = await gitlabSpot(args, host());
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringMatching(sentence) as string,
    });
  });

  test('check names each mistake of a page, and ends with 1', async () => {
    const page = path.join(folder, 'instances.yaml');
    writeFileSync(page, 'default: a\nprofiles:\n  a: { types: [c7], image: m-1, size: 3 }\n');
    const { exitCode, stderr } = await gitlabSpot(['check', page], host());
    expect({ exitCode, lines: stderr.trimEnd().split('\n') }).toEqual({
      exitCode: 1,
      lines: [
        `${page} is not right:`,
        '  profiles.a.types[0] must be an instance type such as ecs.c7.xlarge',
        '  profiles.a has an unknown key: size',
      ],
    });
    writeFileSync(page, 'default: a\nprofiles:\n  a: { types: [ecs.c7.large], image: m-1 }\n');
    await expect(gitlabSpot(['check', page], host())).resolves.toMatchObject({ exitCode: 0, stderr: '' });
  });
});
