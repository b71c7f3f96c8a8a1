import { readdirSync, mkdirSync, writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import path from 'node:path';
import { describeWithFixtures, fixture, fixturePath } from '../../support/fixtures';
import { machine, type Machine, type Ran } from './support/engine';

/** What stood in the backend when a command was recorded. */
const AFTER_UP = {
  'stacks/gitlab-spot/job-1001.json': 'checkpoint-after-up.json',
  'history/gitlab-spot/job-1001/job-1001-1795525913469638186.history.json': 'history-entry.json',
};
const AFTER_KILL = { 'stacks/gitlab-spot/job-1002.json': 'checkpoint-killed-while-creating.json' };

/** Recorded commands that the product or a page of ours uses. */
const COMMANDS: Record<string, Record<string, string>> = {
  'cli-cancel.txt': AFTER_KILL,
  'cli-config-json.txt': AFTER_UP,
  'cli-destroy-locked.txt': AFTER_KILL,
  'cli-init-existing.txt': AFTER_UP,
  'cli-plugin-ls-json.txt': {},
  'cli-rm-after-pending.txt': AFTER_KILL,
  'cli-rm-with-resources.txt': AFTER_UP,
  'cli-select-missing.txt': AFTER_UP,
  'cli-stack-history-json.txt': AFTER_UP,
  'cli-stack-ls-all.txt': AFTER_UP,
  'cli-stack-ls-empty.txt': AFTER_UP,
  'cli-stack-ls-json-empty.txt': AFTER_UP,
  'cli-stack-ls-json.txt': AFTER_UP,
  'cli-stack-ls.txt': AFTER_UP,
  'cli-stack-output-json.txt': AFTER_UP,
  'cli-version.txt': {},
};

/**
 * A destroy that ran for ten minutes against a real provider, and commands that nobody here uses.
 */
const LEFT_OUT = ['cli-destroy-with-pending.txt', 'cli-stack-export.txt', 'cli-stack.txt', 'cli-whoami-json.txt'];

describeWithFixtures('a command prints what the real one printed, and exits as it did', 'pulumi', () => {
  let host: Machine;
  beforeEach(() => {
    host = machine('p');
  });
  afterEach(() => host.remove());

  const put = (name: string, content: string) => {
    const file = path.join(host.state, '.pulumi', name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
  };

  it.each(Object.keys(COMMANDS))('%s', async (name) => {
    for (const [file, source] of Object.entries(COMMANDS[name]!)) put(file, fixture(`pulumi/${source}`));
    const { args, ...expected } = parse(fixture(`pulumi/${name}`));
    if (name === 'cli-destroy-locked.txt') {
      const content = fixture('pulumi/lock-after-kill.txt').trim().split('\n').at(-1)!;
      put('locks/organization/gitlab-spot/job-1002/64f4aafa-5a0d-456d-a3a4-b9b2921a1a54.json', content);
    }
    const ran = await host.run(...args);
    // The recording was made by a script that cut the space off the end.
    expect({ ...ran, stdout: plain(ran.stdout, host), stderr: plain(ran.stderr, host) }).toEqual({
      code: expected.code,
      stdout: plain(expected.stdout, host),
      stderr: plain(expected.stderr, host),
    });
  });

  it('and no recorded command is forgotten', () => {
    const recorded = readdirSync(fixturePath('pulumi')).filter((name) => name.startsWith('cli-'));
    expect([...Object.keys(COMMANDS), ...LEFT_OUT].sort()).toEqual(recorded.sort());
  });
});

function parse(text: string): Ran & { args: string[] } {
  const [command, ...rest] = text.split('\n');
  const [output, exit] = rest.join('\n').split('--- exit ');
  const [stdout, stderr] = output!.split('--- stderr\n');
  return { args: command!.split(' ').slice(2), stdout: stdout!, stderr: stderr ?? '', code: Number(exit) };
}

/**
 * Text without what depends on the time, the folder and the machine; tables with one space between
 * columns.
 */
function plain(text: string, host: Machine): string {
  return text
    .replace(/\d+ (second|minute|hour|day|week|month|year)s? ago|now(?= )/g, 'AGO')
    .replaceAll(host.state, '/state')
    .replaceAll(hostname(), 'vm')
    .replace(new RegExp(`"user": "${userInfo().username}"`), '"user": "root"')
    .replace(/ {2,}/g, '  ')
    .replace(/[ \t]+$/gm, '')
    .trim();
}
