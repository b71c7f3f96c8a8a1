import { runnerConfiguration, type RunnerFacts } from '../../../src/doctor/runner';
import { withSection } from '../../../src/register/with-section';
import { wantedConfig } from '../../../src/register/section';
import { readSettings } from '../../../src/settings/settings';

const HOOKS = '/opt/gitlab-spot/dist/executor';
const settings = readSettings(
  { GITLAB_SPOT_ENV_FILE: '/dev/null', GITLAB_SPOT_STATE_DIR: '/var/lib/gitlab-spot' },
  { cloud: false },
);

/** What `register` writes. */
const written = (sections: number): string =>
  withSection(
    '',
    'config.toml',
    wantedConfig(
      {
        name: 'gitlab-spot',
        url: 'http://10.0.0.5:8668',
        id: 7,
        token: 'glrt-x',
        tokenExpiresAt: undefined,
        caFile: undefined,
        cloneUrl: undefined,
        concurrency: 10,
        sections,
        cache: undefined,
        environment: [],
        hooks: HOOKS,
        envFile: '/etc/gitlab-spot/other',
        node: '/usr/bin/node',
      },
      settings,
      new Date(),
    ),
  );
const registered = written(1);

function look(text: string | undefined, change: Partial<RunnerFacts> = {}) {
  return runnerConfiguration({
    files: ['/etc/gitlab-runner/config.toml'],
    named: false,
    read: () => text,
    exists: () => true,
    hooks: HOOKS,
    envFile: '/etc/gitlab-spot/other',
    settings,
    ...change,
  });
}

test('what register writes is good, and says how many jobs there may be', () => {
  const { findings, concurrency, sections } = look(registered);
  expect(findings).toMatchObject([{ state: 'good', detail: '/etc/gitlab-runner/config.toml: gitlab-spot' }]);
  expect({ concurrency, sections: sections.length }).toEqual({ concurrency: 10, sections: 1 });
});

test('the authority of GitLab’s certificate is the section’s, or the one that the runner takes by itself', () => {
  const ca = (text: string, exists: (file: string) => boolean) =>
    look(text, { exists }).sections.map((section) => section['tls-ca-file']);
  const byHost = '/etc/gitlab-runner/certs/10.0.0.5.crt';
  expect(ca(registered, (file) => !file.endsWith('.crt'))).toEqual([undefined]);
  expect(ca(registered, () => true)).toEqual([byHost]);
  const named = registered.replace('  token = ', '  tls-ca-file = "/etc/ca.pem"\n  token = ');
  expect(ca(named, () => true)).toEqual(['/etc/ca.pem']);
});

const cases: [string, (text: string) => string, string, RegExp][] = [
  [
    'a second runner whose requests wait for each other',
    (text) => `${text}\n[[runners]]\nname = "other"\nexecutor = "docker"\n`,
    'warning',
    /request_concurrency is 1 for other in .*: where GitLab holds requests/,
  ],
  ['text that is no TOML', (text) => `${text}\n[[runners`, 'bad', /is not TOML \(line \d+\)/],
  ['no runner of ours', () => '[[runners]]\nname = "x"\nexecutor = "shell"\n', 'bad', /only x \(shell\)/],
  ['another executor', (text) => text.replace('"custom"', '"shell"'), 'bad', /its executor is shell, not custom/],
  [
    'prepare.js without the script before it',
    (text) => text.replace('executor/prepare"', 'executor/prepare.js"'),
    'warning',
    /prepare_exec is prepare.js itself/,
  ],
  ['a hook that is left out', (text) => text.replace(/^.*cleanup_(exec|args) .*\n/gm, ''), 'bad', /cleanup_exec/],
  [
    'a graceful_kill_timeout that cleanup does not wait for',
    (text) => text.replace(/graceful_kill_timeout = \d+/, 'graceful_kill_timeout = 600'),
    'bad',
    /graceful_kill_timeout is 600 s/,
  ],
  [
    'no graceful_kill_timeout',
    (text) => text.replace(/^.*graceful_kill_timeout.*\n/m, ''),
    'bad',
    /graceful_kill_timeout is 600 s/,
  ],
  [
    'a graceful_kill_timeout that kills pulumi',
    (text) => text.replace(/graceful_kill_timeout = \d+/, 'graceful_kill_timeout = 10'),
    'warning',
    /graceful_kill_timeout is 10 s/,
  ],
  [
    'a prepare_exec_timeout below the hook’s own limits',
    (text) => text.replace(/prepare_exec_timeout = \d+/, 'prepare_exec_timeout = 300'),
    'warning',
    /prepare_exec_timeout is 300 s/,
  ],
  [
    'the runner’s own shutdown_timeout',
    (text) => text.replace(/^shutdown_timeout.*\n/m, ''),
    'warning',
    /shutdown_timeout is 30 s \(not set\)/,
  ],
  [
    'the runner’s own check_interval',
    (text) => text.replace(/^check_interval.*\n/m, ''),
    'warning',
    /check_interval is not set, which means 3 s, in .*: a job may wait that long/,
  ],
  [
    'a check_interval of ten seconds',
    (text) => text.replace(/^check_interval.*$/m, 'check_interval = 10'),
    'warning',
    /check_interval is 10 s in/,
  ],
  [
    'concurrent below the limit',
    (text) => text.replace(/^concurrent.*$/m, 'concurrent = 1'),
    'warning',
    /concurrent is 1 .* limit of 10/,
  ],
  [
    'a GitLab that instances would look for on themselves',
    (text) => text.replace('http://10.0.0.5:8668', 'http://localhost:8668'),
    'warning',
    /url is a loopback address .*; instances can't clone from it/,
  ],
  [
    'an expired token',
    (text) => text.replace('limit = 10', 'limit = 10\n  token_expires_at = 2026-01-02T03:04:05Z'),
    'bad',
    /its token expired at 2026-01-02/,
  ],
];

test.each(cases)('names %s', (_title, change, state, detail) => {
  const { findings } = look(change(registered));
  expect(findings).toContainEqual(
    expect.objectContaining({
      state,
      detail: expect.stringMatching(detail) as string,
      remedy: expect.stringMatching(/./) as string,
    }),
  );
});

test('names hooks that are gone, those of another installation, and another env file', () => {
  const gone = look(registered, { exists: (file) => !file.endsWith('run.js') });
  expect(gone.findings[0]).toMatchObject({
    state: 'bad',
    detail: expect.stringContaining(`${HOOKS}/run.js`) as string,
  });
  const moved = look(registered, { hooks: '/home/me/dist/executor' });
  expect(moved.findings[0]).toMatchObject({
    state: 'warning',
    detail: expect.stringContaining('another installation') as string,
  });
  const other = look(registered, { envFile: undefined });
  expect(other.findings[0]?.detail).toContain(
    'its hooks read the env file /etc/gitlab-spot/other, and doctor read none',
  );
});

test('names a file that is not there, and one that may not be read', () => {
  expect(look(undefined).findings[0]).toMatchObject({ state: 'warning' });
  expect(look(undefined, { named: true }).findings[0]).toMatchObject({ state: 'bad' });
  const denied = look(undefined, {
    read: () => {
      throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
    },
  });
  expect(denied.findings[0]).toMatchObject({
    state: 'bad',
    detail: expect.stringContaining("can't be read (EACCES)") as string,
  });
});

test('counts the jobs of several sections, but never more than the runner takes', () => {
  const two =
    registered +
    registered
      .slice(registered.indexOf('[[runners]]'))
      .replace('"gitlab-spot"', '"second"')
      .replace('glrt-x', 'glrt-y');
  expect(look(two).concurrency).toBe(10);
  expect(look(two.replace(/^concurrent.*$/m, 'concurrent = 50')).concurrency).toBe(20);
});

describe('a runner with copies of its section', () => {
  const copied = written(5);
  const all = (change: (text: string) => string) => {
    const text = change(copied);
    expect(text).not.toBe(copied);
    return look(text).findings;
  };
  const finding = (detail: RegExp) =>
    expect.objectContaining({
      condition: 'runner gitlab-spot',
      state: 'warning',
      detail: expect.stringMatching(detail) as string,
      remedy: expect.stringMatching(/gitlab-spot register/) as string,
    }) as unknown;

  test('is one, with the jobs of one, and is told how often it asks', () => {
    const { findings, concurrency, sections } = look(copied.replace(/^concurrent.*$/m, 'concurrent = 50'));
    expect(findings).toMatchObject([
      {
        state: 'good',
        detail: '/etc/gitlab-runner/config.toml: gitlab-spot (5 sections: asks for jobs every 200 ms)',
      },
    ]);
    expect({ concurrency, names: sections.map(({ name }) => name) }).toEqual({
      concurrency: 10,
      names: ['gitlab-spot'],
    });
  });

  test('is not one with another by the name of a copy', () => {
    const other = registered
      .slice(registered.indexOf('[[runners]]'))
      .replace('"gitlab-spot"', '"gitlab-spot (2)"')
      .replace(/ id = \d+/, ' id = 4711')
      .replace('glrt-x', 'glrt-y');
    expect(look(registered + other).sections.map(({ name }) => name)).toEqual(['gitlab-spot', 'gitlab-spot (2)']);
  });

  test('has each finding once', () => {
    expect(all((text) => text.replaceAll('http://10.0.0.5:8668', 'http://localhost:8668'))).toHaveLength(1);
    expect(all((text) => text.replaceAll(/request_concurrency = \d/g, 'request_concurrency = 1'))[0]?.state).toBe(
      'good',
    );
    expect(all((text) => text.replace(/^check_interval.*$/m, 'check_interval = 3'))).toMatchObject([
      { state: 'warning', detail: expect.stringContaining('check_interval is 3 s') as string },
    ]);
  });

  test('is warned of where one differs, and in what', () => {
    expect(all((text) => text.replace(/(spot \(3\)[^]*?limit = )10/, '$15'))).toEqual([
      finding(/not the same as it.*: gitlab-spot \(3\) \(limit\): gitlab-runner runs a job by any/),
    ]);
    // As gitlab-runner leaves it where it has renewed the token of the first.
    expect(all((text) => text.replace('"glrt-x"', '"glrt-y"'))).toEqual([finding(/gitlab-spot \(2\), .* \(token\)/)]);
  });

  test('is warned of where its token expires', () => {
    const expires = 'limit = 10\n  token_expires_at = 2999-01-02T03:04:05Z';
    expect(all((text) => text.replaceAll('limit = 10', expires))).toEqual([
      finding(/its token expires, and it stands 5/),
    ]);
    expect(all((text) => text.replaceAll('limit = 10', expires.replace('2999', '0001')))[0]?.state).toBe('good');
  });

  test('is warned of where two have one name', () => {
    expect(all((text) => text.replace('spot (3)', 'spot (2)'))).toEqual([
      finding(/several of its sections have the name gitlab-spot \(2\)/),
    ]);
    const byHand = registered + registered.slice(registered.indexOf('[[runners]]'));
    expect(look(byHand).findings).toEqual([finding(/several of its sections have the name gitlab-spot:/)]);
  });
});
