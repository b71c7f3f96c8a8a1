import { readFileSync } from 'node:fs';
import path from 'node:path';
import { chooseProfile } from '../../../src/settings/choose-profile';
import { JobChoiceError } from '../../../src/settings/errors';
import { profilesJsonSchema } from '../../../src/settings/json-schema';
import { checkProfiles, parseProfiles, readProfiles } from '../../../src/settings/profiles';

const root = path.resolve(__dirname, '../../..');
const page = (profile: string, more = ''): string =>
  `default: a\nprofiles:\n  a:\n    ${profile.replaceAll('\n', '\n    ')}\n${more}`;
const fine = 'types: [ecs.c7.xlarge]\nimage: m-1\n';

describe('the profiles page', () => {
  test('of this repository is right', () => {
    const { profiles, default: name } = readProfiles(path.join(root, 'stacks/instances.yaml'));
    expect(profiles[name]).toMatchObject({
      name,
      disk: { category: 'cloud_essd', performanceLevel: 'PL0', sizeGiB: 40 },
    });
  });

  test('takes the shape of the design', () => {
    const { profiles } = parseProfiles(
      `default: standard
profiles:
  standard:
    types: [ecs.c7.xlarge, ecs.c8a.xlarge, ecs.u1-c1m2.xlarge]
    image: gitlab-spot-java23
    disk: { category: cloud_essd, sizeGiB: 40 }
    spot: { maxPrice: 0.40, protectedHour: auto, fallback: on-demand }
  gpu:
    types: [ecs.gn6i-c4g1.xlarge]
    allow: { projects: [ml/*, 42], protectedRefs: true, forks: true }
`,
      'instances.yaml',
    );
    expect(profiles.gpu).toMatchObject({
      image: 'gitlab-spot-java23',
      spot: { maxPriceYuanPerHour: Infinity },
      allow: { projects: ['ml/*', '42'], protectedRefs: true, forks: true },
    });
  });

  test.each([
    ['an unknown key', page(`${fine}size: 3`), 'profiles.a has an unknown key: size'],
    [
      'a wrong type',
      page('types: [c7.xlarge]\nimage: m-1'),
      'profiles.a.types[0] must be an instance type such as ecs.c7.xlarge',
    ],
    [
      'text for a number',
      page(`${fine}spot: { maxPrice: cheap }`),
      'profiles.a.spot.maxPrice must be a number, but is "cheap"',
    ],
    ['a disk too small', page(`${fine}disk: { sizeGiB: 5 }`), 'profiles.a.disk.sizeGiB must be at least 20, but is 5'],
    [
      'a level that is none',
      page(`${fine}disk: { performanceLevel: PL4 }`),
      'profiles.a.disk.performanceLevel must be PL0 or PL1 or PL2 or PL3, but is "PL4"',
    ],
    [
      'a level of a disk that has none',
      page(`${fine}disk: { category: cloud_auto, performanceLevel: PL0 }`),
      'profiles.a.disk.performanceLevel is for cloud_essd only, not for cloud_auto',
    ],
    [
      'a disk too small for its level',
      page(`${fine}disk: { performanceLevel: PL2, sizeGiB: 100 }`),
      'profiles.a.disk.sizeGiB must be at least 461 for PL2, but is 100',
    ],
    [
      'bounds that are none',
      page(`${fine}choose: { diskGiB: 40-80 }`),
      'profiles.a.choose.diskGiB must be bounds such as 2..16',
    ],
    [
      'bounds the wrong way round',
      page(`${fine}choose: { diskGiB: 80..40 }`),
      'profiles.a.choose.diskGiB must be bounds from 20 to 2048, the least first, but is "80..40"',
    ],
    [
      'bounds below the least disk of its level',
      page(`${fine}disk: { performanceLevel: PL2, sizeGiB: 500 }\nchoose: { diskGiB: 40..800 }`),
      'profiles.a.choose.diskGiB must be bounds from 461 to 2048, the least first, but is "40..800"',
    ],
    [
      'bounds of vCPUs alone beside named types',
      page(`${fine}choose: { vcpu: 2..16 }`),
      'profiles.a.choose needs vcpu and memoryGiB together where the profile names types',
    ],
    ['no types', page('image: m-1'), 'profiles.a needs either types, or vcpu and memoryGiB'],
    ['types and vcpu', page(`${fine}vcpu: 4\nmemoryGiB: 8`), 'profiles.a needs either types, or vcpu and memoryGiB'],
    ['no image anywhere', page('types: [ecs.c7.xlarge]'), 'profiles.a.image is missing'],
    [
      'a default that is none',
      `default: b\nprofiles:\n  a: { types: [ecs.c7.large], image: m-1 }\n`,
      'default must be one of the profiles (a), but is "b"',
    ],
    ['no default', `profiles:\n  a: { types: [ecs.c7.large], image: m-1 }\n`, 'default is missing'],
    [
      'a choice that is none',
      page(`${fine}spot: { fallback: maybe }`),
      'profiles.a.spot.fallback must be on-demand or none, but is "maybe"',
    ],
    ['an empty page', '', 'the page must be a mapping, but is empty'],
    ['no profiles', 'default: a\nprofiles: {}\n', 'profiles must not be empty'],
  ])('names the place of %s', (_title, text, problem) => {
    expect(checkProfiles(text).problems).toContain(problem);
  });

  test('a profile inherits the level of the default disk with its category, and not without', () => {
    const { profiles } = parseProfiles(
      `default: a
profiles:
  a: { types: [ecs.c7.large], image: m-1, disk: { category: cloud_essd, performanceLevel: PL0, sizeGiB: 40 } }
  larger: { types: [ecs.c7.large], disk: { sizeGiB: 80 } }
  other: { types: [ecs.c7.large], disk: { category: cloud_auto } }
  faster: { types: [ecs.c7.large], disk: { performanceLevel: PL1 } }
`,
      'instances.yaml',
    );
    const levels = Object.values(profiles).map(({ disk }) => disk.performanceLevel);
    expect(levels).toEqual(['PL0', 'PL0', undefined, 'PL1']);
  });

  test('reports all errors at once', () => {
    expect(checkProfiles(page('types: []\nimage: 7\ndisk: { sizeGiB: 5 }')).problems).toHaveLength(3);
  });

  test('names the line where it is not YAML', () => {
    expect(checkProfiles('default: a\nprofiles:\n  a: [\n').problems[0]).toMatch(/^line \d: /);
  });

  test('can not be blown up by aliases', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
      .split('')
      .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(',')}]`)
      .join('\n')}\n`;
    expect(checkProfiles(bomb).problems[0]).toMatch(/alias/i);
  });

  test('has a JSON Schema beside it that is in step (npm run schema)', () => {
    const written = readFileSync(path.join(root, 'stacks/instances.schema.json'), 'utf8');
    expect(JSON.parse(written)).toEqual(JSON.parse(profilesJsonSchema()));
  });
});

describe('the choice of a profile', () => {
  const profiles = parseProfiles(
    page(
      fine,
      '  ml:\n    types: [ecs.c7.large]\n    allow: { projects: [ml/*, tools/gpu] }\n  safe:\n    types: [ecs.c7.large]\n    allow: { protectedRefs: true }\n',
    ),
    'x',
  );
  const job = (profile: string | undefined, projectPath = 'web/app', isProtected = false) => ({
    choice: { profile, debugKeepMs: undefined, noRetry: false },
    project: { id: 1, path: projectPath },
    ref: { name: 'main', protected: isProtected },
    verified: true,
  });

  test.each([
    [undefined, 'web/app', false, 'a'],
    ['a', 'web/app', false, 'a'],
    ['ml', 'ml/train', false, 'ml'],
    ['ml', 'ml/deep/er', false, 'ml'],
    ['ml', 'tools/gpu', false, 'ml'],
    ['safe', 'web/app', true, 'safe'],
  ])('%s of %s (protected: %s) gives %s', (name, project, isProtected, expected) => {
    expect(chooseProfile(profiles, job(name, project, isProtected)).name).toBe(expected);
  });

  test.each([
    ['nope', 'web/app', 'There is no profile "nope"'],
    ['__proto__', 'web/app', 'There is no profile "__proto__"'],
    ['ml', 'web/app', 'Project web/app may not use profile ml'],
    ['ml', 'xml/train', 'Project xml/train may not use profile ml'],
    ['ml', 'tools/gpu-x', 'Project tools/gpu-x may not use profile ml'],
    ['safe', 'web/app', 'Profile safe is for protected branches and tags only'],
  ])('%s is refused to %s', (name, project, message) => {
    expect(() => chooseProfile(profiles, job(name, project))).toThrow(JobChoiceError);
    expect(() => chooseProfile(profiles, job(name, project))).toThrow(message);
  });

  test('a restricted profile is not for merge requests from forks, unless it says so', () => {
    const ref = { name: 'refs/merge-requests/3/head', protected: false, mergeRequest: 'fork' } as const;
    const fork = (profile: string) => ({ ...job(profile, 'ml/train'), ref });
    expect(() => chooseProfile(profiles, fork('ml'))).toThrow('Profile ml is not for merge requests from forks');
    expect(chooseProfile(profiles, fork('a')).name).toBe('a');
    const open = { ...profiles.profiles.ml!, allow: { ...profiles.profiles.ml!.allow, forks: true } };
    expect(chooseProfile({ default: 'ml', profiles: { ml: open } }, fork('ml'))).toBe(open);
    const own = { ...fork('ml'), ref: { ...ref, mergeRequest: 'own' } } as const;
    expect(chooseProfile(profiles, own).name).toBe('ml');
  });

  test('a project is also allowed by its id, which no path can pass for', () => {
    const page = parseProfiles(
      'default: a\nprofiles:\n  a:\n    types: [ecs.c7.large]\n    image: i\n    allow: { projects: [42] }\n',
      'x',
    );
    const of = (id: number, projectPath: string) => ({ ...job('a', projectPath), project: { id, path: projectPath } });
    expect(chooseProfile(page, of(42, 'renamed/app')).name).toBe('a');
    expect(() => chooseProfile(page, of(7, '42'))).toThrow(JobChoiceError);
  });

  test('nothing restricted is given to a job whose project only its author names', () => {
    const unverified = (profile: string) => ({ ...job(profile, 'ml/train', true), verified: false });
    for (const name of ['ml', 'safe']) {
      expect(() => chooseProfile(profiles, unverified(name))).toThrow(JobChoiceError);
      expect(() => chooseProfile(profiles, unverified(name))).toThrow('nothing that proves whose job it is');
    }
    expect(chooseProfile(profiles, unverified('a')).name).toBe('a');
  });
});
