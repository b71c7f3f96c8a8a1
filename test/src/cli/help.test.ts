import { commands } from '../../../src/cli/commands';
import { gitlabSpot } from '../../support/cli';

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
