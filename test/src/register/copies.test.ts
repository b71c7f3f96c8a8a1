import { parse, TomlDate, type TomlTable, type TomlValue } from 'smol-toml';
import { sectionsFor } from '../../../src/register/check-interval';
import { withSection, type WantedConfig } from '../../../src/register/with-section';

const FILE = '/etc/gitlab-runner/config.toml';

function wanted(sections: number, runner: Record<string, TomlValue> = {}): WantedConfig {
  return {
    name: 'spot',
    sections,
    atLeast: { concurrent: 10, shutdown_timeout: 300 },
    atMost: { check_interval: 1 },
    runner: { url: 'http://10.0.0.5', id: 7, token: 'glrt-a', executor: 'custom', limit: 10, ...runner },
    tables: { custom: { run_exec: '/usr/bin/node' } },
  };
}

const write = (text: string, sections: number, runner?: Record<string, TomlValue>): string =>
  withSection(text, FILE, wanted(sections, runner));
const runners = (text: string) => parse(text)['runners'] as TomlTable[];
const names = (text: string) => runners(text).map(({ name }) => name);

/** With sections of others around it, and what a person wrote into ours. */
const edited = [
  'concurrent = 10',
  'check_interval = 1',
  'shutdown_timeout = 300',
  '',
  '[[runners]]',
  '  name = "docker" # the old one',
  '  executor = "docker"',
  '',
  '[[runners]]',
  '  output_limit = 65536 # long logs',
  '  name = "spot"  # ask Li',
  '  url = "http://10.0.0.5"',
  '  id = 7',
  '  token = "glrt-a"',
  '  executor = "custom"',
  '  limit = 10',
  '  [runners.feature_flags]',
  '    FF_TIMESTAMPS = true',
  '  [runners.custom]',
  '    run_exec = "/usr/bin/node"',
  '',
  '# the session server',
  '[session_server]',
  '  session_timeout = 1800',
  '',
].join('\n');

describe('a runner that is to ask more often', () => {
  it('has copies of its section, which say what they are for', () => {
    const text = write('', 3);
    expect(text.slice(text.indexOf('[[runners]]'))).toMatchInlineSnapshot(`
"[[runners]]
  name = "spot"
  url = "http://10.0.0.5"
  id = 7
  token = "glrt-a"
  executor = "custom"
  limit = 10
  [runners.custom]
    run_exec = "/usr/bin/node"

# Copies of the runner above: so gitlab-runner asks GitLab for jobs more often. They share its limit.
# Change the runner above, and run \`gitlab-spot register\` again: it writes them anew.
[[runners]]
  name = "spot (2)"
  url = "http://10.0.0.5"
  id = 7
  token = "glrt-a"
  executor = "custom"
  limit = 10
  [runners.custom]
    run_exec = "/usr/bin/node"

[[runners]]
  name = "spot (3)"
  url = "http://10.0.0.5"
  id = 7
  token = "glrt-a"
  executor = "custom"
  limit = 10
  [runners.custom]
    run_exec = "/usr/bin/node"
"
`);
  });

  it('has as many as before when it is registered again, byte for byte', () => {
    const text = write(edited, 5);
    expect(names(text)).toEqual(['docker', 'spot', 'spot (2)', 'spot (3)', 'spot (4)', 'spot (5)']);
    expect(write(text, 5)).toBe(text);
  });

  it('has one section again where it is to ask once a second, and the file is as it was', () => {
    for (const before of [edited, write('', 1)]) {
      expect(write(before, 1)).toBe(before);
      expect(write(write(before, 5), 1)).toBe(before);
      expect(write(write(before, 5), 2)).toBe(write(before, 2));
      expect(write(write(before, 2), 5)).toBe(write(before, 5));
    }
  });

  it('hands its copies all that a person wrote into its section', () => {
    const [, first, ...copies] = runners(write(edited, 3));
    expect(first).toMatchObject({ output_limit: 65536, feature_flags: { FF_TIMESTAMPS: true } });
    expect(copies).toEqual([
      { ...first, name: 'spot (2)' },
      { ...first, name: 'spot (3)' },
    ]);
  });

  it('leaves every other byte', () => {
    const text = write(edited, 5);
    const [before = '', after = ''] = edited.split('\n# the session server');
    expect(text.startsWith(before)).toBe(true);
    expect(text.endsWith(`\n# the session server${after}`)).toBe(true);
  });

  it.each([
    ['was edited by hand', (text: string) => text.replace(/(spot \(3\)[^]*?limit = )10/, '$175')],
    [
      'was removed by hand',
      (text: string) => text.replace(/\[\[runners]]\n[^\n]*\n *name = "spot \(3\)[^]*?(?=\[\[)/, ''),
    ],
    [
      'has a table more',
      (text: string) => text.replace(/(spot \(5\)[^]*?)\n\n/, '$1\n  [runners.cache]\n    Type = "s3"\n\n'),
    ],
  ])('has its copies written anew where one %s', (_what, change) => {
    const text = write(edited, 5);
    const changed = change(text);
    expect(changed).not.toBe(text);
    expect(write(changed, 5)).toBe(text);
  });

  it.each([
    ['a new runner at GitLab', { id: 8, token: 'glrt-b' }],
    ['a new token of the same runner', { token: 'glrt-b' }],
    ['another address of GitLab', { url: 'https://git.example.com' }],
  ])('has no copies left of what it was before %s', (_what, change) => {
    const text = write(write(edited, 5), 5, change);
    const [, first, ...copies] = runners(text);
    expect(first).toMatchObject(change);
    expect(copies).toEqual([2, 3, 4, 5].map((number) => ({ ...first, name: `spot (${number})` })));
  });

  it('has one section where its token expires, since gitlab-runner renews it in one', () => {
    const expiring = { token_expires_at: new TomlDate('2027-01-01T00:00:00Z') };
    expect(names(write('', 5, expiring))).toEqual(['spot']);
    expect(names(write(write(edited, 5), 5, expiring))).toEqual(['docker', 'spot']);
    // What gitlab-runner writes where there is none.
    expect(names(write('', 2, { token_expires_at: new TomlDate('0001-01-01T00:00:00Z') }))).toHaveLength(2);
  });

  it('loses copies whose token gitlab-runner did not renew', () => {
    const renewed = write(edited, 3).replace('"glrt-a"', '"glrt-b"');
    const expiring = { token: 'glrt-b', token_expires_at: new TomlDate('2027-01-01T00:00:00Z') };
    expect(names(write(renewed, 5, expiring))).toEqual(['docker', 'spot']);
  });

  it('keeps copies that gitlab-runner wrote in its own way, without our comment', () => {
    const text = write(edited, 3).replace(/^#.*\n/gm, '');
    expect(write(text, 3)).toBe(text);
    expect(names(write(text, 1))).toEqual(['docker', 'spot']);
  });

  it.each([
    ['each line', (text: string) => text],
    ['each line but the last', (text: string) => text.trimEnd()],
  ])('is the same after one run and after many, and keeps the line ends: %s has one', (_what, change) => {
    for (const before of [
      edited,
      write('', 1),
      edited.slice(0, edited.indexOf('\n# the session')),
      'concurrent = 3\nlog_level = "info"\n',
    ])
      for (const end of ['\n', '\r\n']) {
        const text = change(before).replaceAll('\n', end);
        const once = write(text, 5);
        expect(once.replaceAll(end, '')).not.toMatch(/[\r\n]/);
        let many = text;
        for (const sections of [5, 1, 5, 2, 5, 5]) many = write(many, sections);
        expect(many).toBe(once);
        expect(once.replaceAll('\r\n', '\n')).toBe(write(change(before), 5));
      }
  });

  it('has its comment once where only some lines end as on Windows', () => {
    const text = write(edited, 3).replace(/# C[^]*(?=spot \(3\))/, (part) => part.replaceAll('\n', '\r\n'));
    const again = write(text.replace(/(spot \(3\)[^]*?limit = )10/, '$175'), 3);
    expect(again.match(/# Copies/g)).toHaveLength(1);
    expect(again.replaceAll('\r', '')).toBe(write(edited, 3));
  });

  it('takes no other runner for a copy', () => {
    const other = `${write('', 1)}\n[[runners]]\n  name = "spot (2)"\n  url = "http://10.0.0.5"\n  token = "glrt-z"\n`;
    expect(() => write(other, 2)).toThrow(`${FILE} has a runner spot (2) that is no copy of spot`);
    expect(write(other, 1)).toBe(other);
    expect(names(write(other.replace('(2)', '(two)'), 2))).toEqual(['spot', 'spot (2)', 'spot (two)']);
  });
});

test.each([
  ['gitlab-runner knows no id of both, and wrote 0', { id: 0, token: 'glrt-a' }, { id: 0, token: 'glrt-z' }],
  ['neither has a token', { id: 7, token: '' }, { id: 8, token: '' }],
])('a runner by the name of a copy stays another’s where %s', (_what, own, others) => {
  const section = (name: string, { id, token }: typeof own): string =>
    `[[runners]]\n  name = "${name}"\n  url = "http://10.0.0.5"\n  id = ${id}\n  token = "${token}"\n  executor = "custom"\n`;
  const other = section('spot (2)', others);
  const text = `${section('spot', own)}\n${other}`;
  expect(write(text, 1)).toContain(other);
  expect(() => write(text, 2)).toThrow('has a runner spot (2) that is no copy of spot');
});

describe('a runner whose name is that of a copy', () => {
  const named = (name: string, text: string, sections: number, runner: Record<string, TomlValue> = {}): string => {
    const own = wanted(sections, runner);
    return withSection(text, FILE, { ...own, name });
  };
  const other = { id: 8, token: 'glrt-b' };

  it('has copies of its own, which go by themselves', () => {
    const text = named('spot (2)', '', 3);
    expect(names(text)).toEqual(['spot (2)', 'spot (2) (2)', 'spot (2) (3)']);
    expect(named('spot (2)', text, 3)).toBe(text);
    expect(names(named('spot (2)', text, 1))).toEqual(['spot (2)']);
  });

  it('stays as it is, with its copies, while another runner comes, is registered again, and goes', () => {
    const before = named('spot (2)', '', 3, other);
    expect(() => write(before, 5)).toThrow(`${FILE} has a runner spot (2) that is no copy of spot`);
    const both = write(before, 1);
    expect(both.startsWith(before)).toBe(true);
    expect(write(both, 1)).toBe(both);
    expect(named('spot (2)', both, 3, other)).toBe(both);
    expect(names(named('spot (2)', both, 1, other))).toEqual(['spot (2)', 'spot']);
  });

  it.each([
    ['as what it is', {}],
    ['as another runner', other],
  ])('is not made of a copy: %s', (_what, runner) => {
    expect(() => named('spot (2)', write('', 3), 3, runner)).toThrow(
      `${FILE} has the runner spot: spot (2) is the name of a copy of it`,
    );
  });

  it('is of another runner at GitLab: the next register of that one would remove it', () => {
    expect(() => named('spot (3)', write('', 1), 1)).toThrow('has the runner spot: spot (3) is the name of a copy');
    for (const sections of [1, 2])
      expect(() => write(named('spot (3)', '', 1), sections)).toThrow('has a runner spot (3) that is no copy of spot');
    // As does a runner that becomes the other one.
    const both = write(named('spot (3)', '', 1, other), 1);
    expect(() => write(both, 1, other)).toThrow('has a runner spot (3) that is no copy of spot');
  });

  it.each([
    ['a number that no copy has', 'spot (1)', 'custom'],
    ['a number beyond the last copy', 'spot (11)', 'custom'],
    ['another executor', 'spot (2)', 'docker'],
  ])('stays, though it is of the same runner at GitLab: %s', (_what, name, executor) => {
    const section = named(name, '', 1).split('\n\n')[1]!.replace('"custom"', `"${executor}"`);
    const text = `${write('', 1)}\n${section}`;
    expect(write(text, 1)).toBe(text);
  });

  it('leaves no copies of a copy that was once taken for a runner', () => {
    const text = write('', 2);
    const copy = text.slice(text.indexOf('[[runners]]', text.indexOf('# Copies'))).replace('spot (2)', 'spot (2) (2)');
    expect(write(`${text}\n${copy}`, 2)).toBe(text);
  });
});

test('runners that are written as one value are refused with what to do', () => {
  const text = 'runners = [{ name = "spot", url = "http://10.0.0.5", executor = "custom" }]\n';
  expect(() => write(text, 1)).toThrow(`${FILE} writes the runner spot in a way that can't be edited`);
});

describe('--check-interval', () => {
  it.each([
    ['200ms', 5],
    ['1s', 1],
    ['1', 1],
    ['1000ms', 1],
    ['300ms', 4],
    ['999ms', 2],
    ['100ms', 10],
  ])('%s takes %i sections', (interval, sections) => expect(sectionsFor(interval)).toBe(sections));

  it.each(['99ms', '0', '2s', '1m', '1001ms', '-200ms', '0.2s', 'often', ''])('%s is refused', (interval) =>
    expect(() => sectionsFor(interval)).toThrow('--check-interval takes a duration between 100ms and 1s'),
  );
});
