import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { commands } from '../../../src/cli/commands';
import { RecordStore } from '../../../src/jobs/record-store';
import { gitlabSpot } from '../../support/cli';
import { preparingRecord } from '../../support/job-record';

/** What `--help` and shell completion show, as the built command prints it. */
const environment = { PATH: process.env.PATH, HOME: '/nonexistent' };
const nameOf = ({ command }: (typeof commands)[number]) => String(command).split(' ')[0]!;
const named = [
  ...commands.map((command) => [nameOf(command)]),
  ...['build', 'ls', 'rm'].map((action) => ['image', action]),
];

test.each(named.map((name) => [name.join(' '), name]))('help of %s describes every option', async (_title, name) => {
  const { stdout, exitCode } = await gitlabSpot([...name, '--help'], environment);
  expect(exitCode).toBe(0);
  const options = stdout.split('\n').filter((line) => /^ +(-\w, )?--/.test(line));
  expect(options.length).toBeGreaterThan(2);
  expect(options.filter((line) => /--[\w-]+ +(\[|$)/.test(line))).toEqual([]);
});

test('help lists every command on lines of whole words', async () => {
  const { stdout } = await gitlabSpot(['--help'], environment);
  for (const command of commands) expect(stdout).toContain(`gitlab-spot ${String(command.command)}`);
  const words = stdout.split(/\s+/);
  for (const { describe: text } of commands) for (const word of String(text).split(' ')) expect(words).toContain(word);
});

test.each<[string[], string[]]>([
  [[''], commands.map(nameOf)],
  [
    ['image', ''],
    ['build', 'ls', 'rm'],
  ],
  [
    ['jobs', ''],
    ['ls', 'show', 'rm'],
  ],
  [
    ['cost', '--by', ''],
    ['day', 'project', 'profile', 'job'],
  ],
])('completion of %j', async (typed, expected) => {
  const { stdout } = await gitlabSpot(['--get-yargs-completions', 'gitlab-spot', ...typed], environment);
  expect(stdout.trim().split('\n')).toEqual(expect.arrayContaining(expected));
});

test('completion names the jobs and profiles of this host', async () => {
  const stateDir = mkdtempSync(path.join(tmpdir(), 'completion-'));
  try {
    new RecordStore(stateDir).write(preparingRecord());
    const host = { ...environment, GITLAB_SPOT_ENV_FILE: '/dev/null', GITLAB_SPOT_STATE_DIR: stateDir };
    const complete = async (...typed: string[]) =>
      (await gitlabSpot(['--get-yargs-completions', 'gitlab-spot', ...typed], host)).stdout.trim().split('\n');
    for (const typed of [
      ['jobs', 'show', ''],
      ['ssh', 'job'],
    ])
      expect(await complete(...typed)).toEqual(['job-gitlab.example.com-1001-1']);
    for (const typed of [
      ['price', ''],
      ['doctor', '--instance', ''],
    ])
      expect(await complete(...typed)).toEqual(['standard', 'small', 'large']);
  } finally {
    rmSync(stateDir, { recursive: true });
  }
});

test('completion is silent where the settings are not right', async () => {
  const broken = { ...environment, GITLAB_SPOT_PROFILES_FILE: '/nowhere', GITLAB_SPOT_STATE_DIR: 'relative' };
  const answer = await gitlabSpot(['--get-yargs-completions', 'gitlab-spot', 'price', ''], broken);
  expect(answer).toMatchObject({ exitCode: 0, stderr: '' });
});

test.each([
  [['cost', '--json', '--csv'], 'Arguments json and csv are mutually exclusive'],
  [['cost', '--html', 'cost.html', '--by', 'job'], 'Arguments html and by are mutually exclusive'],
])('%j is refused: one of them would have no effect', async (args, sentence) => {
  const { exitCode, stderr } = await gitlabSpot(args, environment);
  expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(sentence) as string });
});

test('output that does not get where it should is a failure; a reader who has had enough is none', () => {
  const program = path.resolve(__dirname, '../../../dist/cli/gitlab-spot.js');
  const shell = (rest: string) =>
    spawnSync('bash', ['-o', 'pipefail', '-c', `"${process.execPath}" "${program}" ram-policy ${rest}`], {
      env: environment,
      encoding: 'utf8',
    });
  expect(shell('> /dev/full')).toMatchObject({
    status: 1,
    stderr: "gitlab-spot: The output can't be written (ENOSPC). Free space where it goes, or send it elsewhere.\n",
  });
  expect(shell('| true')).toMatchObject({ status: 0, stderr: '' });
});

test('a folder that was removed under its shell is told as that', () => {
  const program = path.resolve(__dirname, '../../../dist/cli/gitlab-spot.js');
  const folder = mkdtempSync(path.join(tmpdir(), 'removed-'));
  const script = 'cd "$0" && rmdir "$0" && exec "$1" "$2" --help';
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script, folder, process.execPath, program], {
    encoding: 'utf8',
  });
  expect([status, stdout, stderr]).toEqual([
    1,
    '',
    'gitlab-spot: The current folder was removed. Change to another one.\n',
  ]);
});
