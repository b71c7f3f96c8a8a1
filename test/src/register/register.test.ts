import { parse } from 'smol-toml';
import type { RunnersApi } from '../../../src/gitlab/runners';
import { register, type RegisterRequest } from '../../../src/register/register';
import { caFilesOf, parseConfig } from '../../../src/register/config-file';
import { lastingNode, SHUTDOWN_TIMEOUT, timeouts } from '../../../src/register/section';
import { maximumTimeout } from '../../../src/register/maximum-timeout';
import { readSettings } from '../../../src/settings/settings';
import { testProfile } from '../../support/profile';

const settings = readSettings({ GITLAB_SPOT_STATE_DIR: '/nowhere' }, { cloud: false });
const known = new Map([
  ['glrt-given', { id: 7, token: 'glrt-given', tokenExpiresAt: undefined }],
  ['glrt-expiring', { id: 8, token: 'glrt-expiring', tokenExpiresAt: '2027-01-01T00:00:00.000Z' }],
]);

function gitlab(): RunnersApi & { created: string[] } {
  const created: string[] = [];
  return {
    created,
    verify: (token) => Promise.resolve(known.get(token)),
    create: ({ description }, accessToken) => {
      created.push(`${description} with ${accessToken}`);
      return Promise.resolve({ id: 99, token: 'glrt-new', tokenExpiresAt: undefined });
    },
  };
}

function request(change: Partial<RegisterRequest> = {}): RegisterRequest {
  return {
    text: '',
    file: '/etc/gitlab-runner/config.toml',
    section: {
      name: 'gitlab-spot',
      url: 'http://10.0.0.5:8668',
      caFile: undefined,
      cloneUrl: undefined,
      concurrency: 10,
      sections: 1,
      cache: undefined,
      environment: [],
      hooks: '/opt/gitlab-spot/dist/executor',
      envFile: undefined,
      node: '/usr/bin/node',
    },
    token: 'glrt-given',
    create: { scope: { type: 'instance' }, tags: [], runUntagged: true, protectedRefs: false },
    ...change,
  };
}

const run = (change?: Partial<RegisterRequest>, api = gitlab()) =>
  register(request(change), {
    gitlab: api,
    settings,
    accessToken: () => Promise.resolve('glpat-1'),
    now: () => new Date('2026-11-24T20:00:00Z'),
  });

test.each([
  ['as asked for', '2h', [undefined], 7_200_000],
  ['as long as any profile lets a job take', undefined, [3_600_000, 10_800_000], 10_800_000],
  ['a day where a profile lets one take any time', undefined, [3_600_000, undefined], 86_400_000],
  ['ten minutes at least', undefined, [60_000], 600_000],
] as const)('no job of the runner takes longer than %s', (_what, asked, most, ms) => {
  const profiles = Object.fromEntries(most.map((maxTimeoutMs, index) => [index, testProfile({ maxTimeoutMs })]));
  expect(maximumTimeout(asked, () => ({ default: '0', profiles }))).toBe(ms);
});

test('a maximum timeout that is none is refused', () => {
  expect(() => maximumTimeout('5m', () => ({ default: '', profiles: {} }))).toThrow('ten minutes or more');
});

describe('register', () => {
  it('names the private authority of GitLab’s certificate, where there is one', async () => {
    const caFile = '/etc/gitlab-runner/ca.pem';
    const { text } = await run({ section: { ...request().section, caFile } });
    expect(text).toContain(`tls-ca-file = "${caFile}"`);
    expect(caFilesOf(parseConfig(text, 'config.toml').runners![0])).toEqual([caFile]);
    expect((await run()).text).not.toContain('tls-ca-file');
  });

  it('keeps the runner of a section whose address ends with a slash', async () => {
    const text = (await run()).text.replace('url = "http://10.0.0.5:8668"', 'url = "http://10.0.0.5:8668/"');
    const api = gitlab();
    const { how, runner } = await run({ text, token: undefined }, api);
    expect({ how, id: runner.id, created: api.created }).toEqual({ how: 'kept', id: 7, created: [] });
  });

  it('does not leave the end of an older token’s life with one that has none', async () => {
    const { section } = request();
    const five = { ...section, sections: 5 };
    const expiring = await run({ section: five, token: 'glrt-expiring' });
    expect(expiring.sections).toBe(1);
    const { text, sections } = await run({ section: five, text: expiring.text });
    const runners = parseConfig(text, 'config.toml').runners!;
    expect(runners.map(({ token }) => token)).toEqual(Array(5).fill('glrt-given'));
    expect(runners[0]!.token_expires_at!.toISOString()).toMatch(/^0001-/);
    expect(sections).toBe(5);
    expect((await run({ section: five, text })).text).toBe(text);
  });

  it('writes a section that drives our hooks within the contract', async () => {
    const { text, how } = await run();
    expect(how).toBe('given');
    expect(text).toMatchInlineSnapshot(`
"concurrent = 10
shutdown_timeout = 300
check_interval = 1

[[runners]]
  name = "gitlab-spot"
  url = "http://10.0.0.5:8668"
  id = 7
  token = "glrt-given"
  executor = "custom"
  limit = 10
  request_concurrency = 4
  builds_dir = "/builds"
  cache_dir = "/cache"
  [runners.custom]
    config_exec = "/usr/bin/node"
    config_args = [ "/opt/gitlab-spot/dist/executor/config.js" ]
    prepare_exec = "/bin/sh"
    prepare_args = [ "/opt/gitlab-spot/dist/executor/prepare", "/usr/bin/node" ]
    run_exec = "/usr/bin/node"
    run_args = [ "/opt/gitlab-spot/dist/executor/run.js" ]
    cleanup_exec = "/usr/bin/node"
    cleanup_args = [ "/opt/gitlab-spot/dist/executor/cleanup.js" ]
    config_exec_timeout = 60
    prepare_exec_timeout = 4530
    cleanup_exec_timeout = 120
    graceful_kill_timeout = 240
    force_kill_timeout = 10
  [runners.custom_build_dir]
    enabled = true
"
`);
  });

  it('changes nothing when it is run again, and needs no token for it', async () => {
    const { text } = await run();
    const again = await run({ text, token: undefined });
    expect(again.how).toBe('kept');
    expect(again.text).toBe(text);
  });

  it('keeps what others wrote, byte for byte', async () => {
    const others = [
      '# our runners; ask Li before you change this',
      'concurrent = 20   # two hosts like this one',
      'check_interval = 0',
      '',
      '[session_server]',
      '  session_timeout = 1800',
      '',
      '[[runners]]',
      '  name = "shell" # the old one',
      "  environment = ['''A=[[runners]]",
      "x''']",
      '  executor = "shell"',
      '  [runners.cache]   # none',
      '',
      '',
    ].join('\n');
    const { text } = await run({ text: others });
    const [before, after] = others.split('[session_server]');
    expect(text).toContain(
      `${before!.replace('check_interval = 0\n', 'check_interval = 1\nshutdown_timeout = 300\n')}[session_server]${after}`,
    );
    expect(parse(text)).toMatchObject({
      concurrent: 20,
      runners: [{ name: 'shell' }, { name: 'gitlab-spot', limit: 10 }],
    });
  });

  it('brings an older section up to date in its place, and keeps its comments and what it does not own', async () => {
    const older = [
      '[[runners]]',
      '  name = "gitlab-spot"',
      '  url = "http://10.0.0.5:8668"  # see the wiki',
      '  token = "glrt-given"',
      '  executor = "custom"',
      '  output_limit = 65536',
      '  [runners.custom]',
      '    graceful_kill_timeout = 600 # too long',
      '    # keep me',
      '[[runners]]',
      '  name = "last"',
      '',
    ].join('\n');
    const { text } = await run({ text: older, token: undefined });
    expect(text).toContain('url = "http://10.0.0.5:8668"  # see the wiki\n');
    expect(text).toContain('graceful_kill_timeout = 240 # too long\n');
    expect(text).toContain('    # keep me\n[[runners]]\n  name = "last"\n');
    expect(parse(text)).toMatchObject({
      shutdown_timeout: 300,
      runners: [{ output_limit: 65536, id: 7, custom: { run_exec: '/usr/bin/node' } }, { name: 'last' }],
    });
    expect(text.startsWith('concurrent = 10\nshutdown_timeout = 300\ncheck_interval = 1\n\n[[runners]]\n')).toBe(true);
  });

  it('makes a runner where GitLab does not know the section’s own any more', async () => {
    const { text } = await run();
    const api = gitlab();
    const again = await run({ text: text.replace('glrt-given', 'glrt-gone'), token: undefined }, api);
    expect(again.how).toBe('created');
    expect(api.created).toEqual(['gitlab-spot with glpat-1']);
    expect(parse(again.text)).toMatchObject({ runners: [{ id: 99, token: 'glrt-new' }] });
  });

  it('has no runner made where the file can’t be edited', async () => {
    const section = { ...request().section, sections: 5 };
    const texts = [
      '[[runners]]\nname = "gitlab-spot (2)"\ntoken = "glrt-z"\n',
      '[[runners]]\nname = "gitlab-spot"\nexecutor = "custom"\ncustom = { run_exec = "/x" }\n',
    ];
    for (const text of texts) {
      const api = gitlab();
      await expect(run({ text, section, token: undefined }, api)).rejects.toThrow(/is no copy of|can't be edited/);
      expect(api.created).toEqual([]);
    }
  });

  it('writes when a token ends, so that the runner renews it', async () => {
    const section = { ...request().section, sections: 5 };
    const { text, sections } = await run({ token: 'glrt-expiring', section });
    // gitlab-runner renews it in one section: a copy would go on with the old one.
    expect([sections, text.split('[[runners]]').length - 1]).toEqual([1, 1]);
    expect(await run({ section })).toMatchObject({ sections: 5 });
    expect(text).toContain('token_obtained_at = 2026-11-24T20:00:00.000Z');
    expect(text).toContain('token_expires_at = 2027-01-01T00:00:00.000Z');
  });

  it('writes clone URL, job variables and the cache on OSS', async () => {
    const { section } = request();
    const { text } = await run({
      section: {
        ...section,
        cloneUrl: 'https://git.example.com',
        environment: ['GIT_DEPTH=20'],
        cache: {
          bucket: 'ci-cache',
          region: 'cn-hangzhou',
          endpoint: 'oss-cn-hangzhou-internal.aliyuncs.com',
          accessKey: 'AK',
          secretKey: 'SK',
        },
      },
    });
    expect(parse(text)).toMatchObject({
      runners: [
        {
          clone_url: 'https://git.example.com',
          environment: ['GIT_DEPTH=20'],
          cache: {
            Type: 's3',
            Shared: true,
            s3: { ServerAddress: 'oss-cn-hangzhou-internal.aliyuncs.com', BucketName: 'ci-cache', PathStyle: false },
          },
        },
      ],
    });
  });

  it('tells the hooks of an env file at another place than theirs', async () => {
    const { section } = request();
    const { text } = await run({ section: { ...section, envFile: '/srv/spot/env' } });
    expect(parse(text)).toMatchObject({
      runners: [
        {
          custom: {
            run_exec: '/usr/bin/env',
            run_args: ['GITLAB_SPOT_ENV_FILE=/srv/spot/env', '/usr/bin/node', '/opt/gitlab-spot/dist/executor/run.js'],
          },
        },
      ],
    });
  });

  it.each<[string, Partial<RegisterRequest>, string]>([
    ['a file that is not TOML', { text: '[[runners\n' }, 'is not TOML (line 1)'],
    ['a table instead of a list', { text: '[runners]\n' }, 'is not as gitlab-runner reads it: runners must be a list'],
    ['a name that is none', { text: '[[runners]]\nname = 1\n' }, 'runners[0].name must be text, but is 1'],
    ['a registration token of old', { token: 'GR1348941abc' }, 'does not begin with glrt-'],
    ['a token that GitLab does not know', { token: 'glrt-wrong' }, 'does not know this runner token'],
    [
      'two sections with our name',
      { text: '[[runners]]\nname = "gitlab-spot"\nexecutor="custom"\n'.repeat(2) },
      'has 2 runners with the name gitlab-spot',
    ],
    [
      'a section of another executor with our name',
      { text: '[[runners]]\nname = "gitlab-spot"\nexecutor = "shell"\n' },
      'with the executor shell, which is not ours',
    ],
    [
      'a table that can’t be edited in place',
      { text: '[[runners]]\nname = "gitlab-spot"\nexecutor = "custom"\ncustom = { run_exec = "/x" }\n' },
      "in a way that can't be edited without changing the rest",
    ],
  ])('refuses %s, in one sentence', async (_what, change, sentence) => {
    await expect(run(change)).rejects.toThrow(sentence);
  });
});

describe('timeouts', () => {
  it('fit the contract: a kill that is over before cleanup begins, and within the runner’s own shutdown', () => {
    const { graceful_kill_timeout: graceful, force_kill_timeout: force } = timeouts(settings);
    expect(graceful + force).toBeLessThan(300);
    expect(graceful + force).toBeLessThan(SHUTDOWN_TIMEOUT);
  });

  it('leave prepare the time of all its own limits together', () => {
    const limits = { ...settings.limits, placementMs: 3_600_000 };
    expect(timeouts({ limits, cleanup: 'detached' }).prepare_exec_timeout).toBe(2400 + 3600 + 300 + 900 + 30 + 300);
  });
});

describe('lastingNode', () => {
  it.each([
    ['/opt/node22/bin/node', { '/usr/bin/node': '/opt/node22/bin/node' }, '/usr/bin/node'],
    ['/opt/node22/bin/node', { '/usr/bin/node': '/usr/lib/node18' }, '/opt/node22/bin/node'],
    ['/opt/node22/bin/node', {}, '/opt/node22/bin/node'],
  ])('of %s where the host has %j is %s', (execPath, links, expected) => {
    const resolve = (file: string): string => {
      const target = (links as Record<string, string>)[file] ?? (file === execPath ? file : undefined);
      if (target === undefined) throw new Error('ENOENT');
      return target;
    };
    expect(lastingNode(execPath, resolve)).toBe(expected);
  });
});
