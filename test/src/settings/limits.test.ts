import { jobCounts } from '../../../src/settings/choose-profile';
import { checkProfiles, parseProfiles } from '../../../src/settings/profiles';

const text = (profile = '', projects = ''): string =>
  `default: a\nprofiles:\n  a: { types: [ecs.c7.large], image: m-1${profile && `, ${profile}`} }\n${projects && `projects:\n  ${projects}\n`}`;
const page = (profile?: string, projects?: string) => parseProfiles(text(profile, projects), 'instances.yaml');
const HOUR = 3_600_000;
const job = (change = {}) =>
  ({ project: { id: 42, path: 'ml/app' }, verified: true, timeoutMs: HOUR, ...change }) as never;
const counts = (one: ReturnType<typeof page>, change = {}) => jobCounts(one, one.profiles.a!, job(change));

describe('limits of instances.yaml', () => {
  test('count jobs by profile and by each entry that names the project', () => {
    const limited = page('maxJobs: 5', "'ml/*': { maxJobs: 3 }\n  42: { maxJobs: 2 }\n  web/*: { maxJobs: 1 }");
    expect(counts(limited).map(({ whose, setting, maxJobs }) => [whose, setting, maxJobs])).toEqual([
      ['Profile a', 'profiles.a', 5],
      ['Project ml/app', 'projects.42', 2],
      ['Project ml/app', 'projects.ml/*', 3],
    ]);
    expect(counts(page())).toEqual([]);
  });

  test.each([
    ['its profile', page('maxTimeout: 30m'), 'Profile a has jobs of at most 30 min 00 s'],
    ['its project', page('', 'ml/*: { maxTimeout: 59m }'), 'Project ml/app has jobs of at most 59 min 00 s'],
  ])('refuse a job whose timeout is longer than %s allows, before anything is made', (_whose, limited, message) => {
    expect(() => counts(limited)).toThrow(`${message}, and this one's timeout is 1 h 00 min`);
    expect(counts(limited, { timeoutMs: HOUR / 2 })).toEqual([]);
    expect(counts(limited, { timeoutMs: HOUR / 2, project: { id: 7, path: 'web/site' } })).toEqual([]);
  });

  test('are closed to a job of which nobody proves whose it is', () => {
    expect(() => counts(page('maxJobs: 5'), { verified: false })).toThrow('nothing that proves whose it is');
    expect(() => counts(page('', 'web/*: { maxJobs: 1 }'), { verified: false })).toThrow('nothing that proves');
    expect(counts(page(), { verified: false })).toEqual([]);
  });

  test.each([
    ['maxTimeout: soon', 'profiles.a.maxTimeout must be a duration such as 2h'],
    ["maxTimeout: ''", 'profiles.a.maxTimeout must be a duration such as 2h'],
    ['maxTimeout: 0s', 'profiles.a.maxTimeout must be a duration such as 2h'],
    ['maxJobs: 0', 'profiles.a.maxJobs must be at least 1, but is 0'],
  ])('are never silently none: %s', (wrong, problem) => {
    expect(checkProfiles(text(wrong)).problems).toEqual([problem]);
  });

  test('by project are checked too', () => {
    expect(checkProfiles(text('', 'ml/*: { maxjobs: 1 }')).problems).toEqual([
      'projects.ml/* has an unknown key: maxjobs',
    ]);
  });
});

describe('egress of a profile', () => {
  test('says where to, in the API’s terms', () => {
    const rules =
      '[{ to: 10.0.0.5, ports: 443 }, { to: 10.0.0.0/8, ports: 8000-8100, protocol: udp }, { to: "::/0", protocol: all }]';
    expect(page(`egress: ${rules}`).profiles.a?.egress).toEqual([
      { to: '10.0.0.5/32', protocol: 'tcp', ports: '443/443' },
      { to: '10.0.0.0/8', protocol: 'udp', ports: '8000/8100' },
      { to: '::/0', protocol: 'all', ports: '-1/-1' },
    ]);
    expect(page('egress: []').profiles.a?.egress).toEqual([]);
    expect(page().profiles.a?.egress).toBeUndefined();
  });

  test.each([
    ['{ to: gitlab.example.com }', 'profiles.a.egress[0].to must be an address or a network such as 10.0.0.0/8'],
    ['{ to: 10.0.0.0/33 }', 'profiles.a.egress[0].to must be an address or a network such as 10.0.0.0/8'],
    ['{ to: 10.0.0.0/8, ports: 70000 }', 'profiles.a.egress[0].ports must be a port or a range such as 8000-8100'],
    ['{ to: 10.0.0.0/8, ports: 90-80 }', 'profiles.a.egress[0].ports must be a port or a range such as 8000-8100'],
    [
      '{ to: 10.0.0.0/8, protocol: icmp, ports: 80 }',
      'profiles.a.egress[0] may have ports only with protocol tcp or udp',
    ],
    ['{ port: 80 }', 'profiles.a.egress[0].to is missing'],
  ])('is refused where it says nothing: %s', (rule, problem) => {
    expect(checkProfiles(text(`egress: [${rule}]`)).problems).toContain(problem);
  });
});

describe('spare machines of a profile', () => {
  const ALL = { days: [0, 1, 2, 3, 4, 5, 6] };
  test.each<[string, object]>([
    ['spares: auto', { keep: 0, max: 5, when: [{ ...ALL, from: 7 * 60, to: 22 * 60 }], idleMs: 30 * 60_000 }],
    ['spares: { max: 9 }', { keep: 0, max: 9, when: [{ ...ALL, from: 7 * 60, to: 22 * 60 }], idleMs: 30 * 60_000 }],
    ['spares: { keep: 2 }', { keep: 2, when: [{ ...ALL, from: 0, to: 24 * 60 }], idleMs: 30 * 60_000 }],
    [
      'spares: { keep: 1, max: 4, when: "09:00-10:00", idle: 1h }',
      { keep: 1, max: 4, when: [{ ...ALL, from: 540, to: 600 }], idleMs: 3_600_000 },
    ],
  ])('%s', (line, policy) => {
    expect(page(line).profiles.a?.spares).toEqual(policy);
  });

  test.each([
    ['spares: often', 'profiles.a.spares can\'t be "often"'],
    ['spares: {}', 'profiles.a.spares needs keep or max'],
    ['spares: { keep: 3, max: 2 }', 'profiles.a.spares max must not be less than keep'],
    ['spares: { keep: 51 }', 'profiles.a.spares.keep must be at most 50, but is 51'],
    ['spares: { max: 0 }', 'profiles.a.spares.max must be at least 1, but is 0'],
    ['spares: { keep: 1, many: 1 }', 'profiles.a.spares has an unknown key: many'],
  ])('are never silently none: %s', (wrong, problem) => {
    expect(checkProfiles(text(wrong)).problems).toEqual([problem]);
  });
});
