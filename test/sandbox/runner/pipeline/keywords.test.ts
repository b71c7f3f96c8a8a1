import { job, names, read } from './reading';

describe('scripts', () => {
  test.each([
    ['one command', 'job: { script: make }', ['make']],
    ['a list', 'job: { script: [a, b] }', ['a', 'b']],
    ['nested lists are flattened', 'job: { script: [a, [b, [c]]] }', ['a', 'b', 'c']],
    ['a block stays one command', 'job:\n  script:\n    - |\n      a\n      b\n', ['a\nb\n']],
    ['before_script comes first', 'job: { before_script: [a], script: [b] }', ['a', 'b']],
    ['before_script of default', 'default: { before_script: [a] }\njob: { script: [b] }', ['a', 'b']],
    ['before_script at the top, as it was once written', 'before_script: [a]\njob: { script: [b] }', ['a', 'b']],
    [
      'an own, empty before_script wins',
      'default: { before_script: [a] }\njob: { before_script: [], script: [b] }',
      ['b'],
    ],
    [
      'inherit: default: false',
      'default: { before_script: [a] }\njob: { inherit: { default: false }, script: [b] }',
      ['b'],
    ],
    [
      'inherit: default: some',
      'default: { before_script: [a], timeout: 1h }\njob: { inherit: { default: [timeout] }, script: [b] }',
      ['b'],
    ],
  ])('%s', (_title, config, script) => {
    expect(job(config).script).toEqual(script);
  });
});

describe('composition', () => {
  test('extends merges mappings deeply and replaces lists', () => {
    const config = `
.base: { variables: { A: "1", B: "1" }, script: [base], tags: [x, y] }
.middle: { extends: .base, variables: { B: "2" } }
job: { extends: .middle, variables: { C: "3" }, tags: [z] }`;
    const { variables, script, tags } = job(config);
    expect(Object.fromEntries(variables.map((one) => [one.key, one.value]))).toEqual({ A: '1', B: '2', C: '3' });
    expect({ script, tags }).toEqual({ script: ['base'], tags: ['z'] });
  });

  test('of several parents the last one wins', () => {
    expect(job('.a: { script: [a] }\n.b: { script: [b] }\njob: { extends: [.a, .b] }').script).toEqual(['b']);
  });

  test('anchors and merge keys', () => {
    expect(job('.t: &t { script: [a], timeout: 2h }\njob: { <<: *t, script: [b] }')).toMatchObject({
      script: ['b'],
      timeoutSeconds: 7200,
    });
  });

  test('!reference takes parts of other jobs, also from included files', () => {
    const files = {
      '.gitlab-ci.yml': `
include: ci/parts.yml
job:
  script:
    - !reference [.setup, script]
    - build
  variables: !reference [.setup, variables]`,
      'ci/parts.yml':
        '.setup: { script: [one, !reference [.deeper, script]], variables: { A: "1" } }\n.deeper: { script: [two] }',
    };
    expect(job(files)).toMatchObject({ script: ['one', 'two', 'build'], variables: [{ key: 'A', value: '1' }] });
  });

  test('local includes: by name, by glob, by rule; the including file wins', () => {
    const files = {
      '.gitlab-ci.yml': `
include:
  - local: /ci/a.yml
  - local: ci/jobs/*.yml
  - local: ci/never.yml
    rules: [{ if: $CI_COMMIT_BRANCH == "other" }]
a: { script: [mine] }`,
      'ci/a.yml': 'a: { script: [theirs], timeout: 10m }',
      'ci/jobs/b.yml': 'b: { script: [b] }',
      'ci/jobs/c.yml': 'c: { script: [c] }',
      'ci/never.yml': 'never: { script: [x] }',
    };
    expect(names(files)).toEqual(['a', 'b', 'c']);
    expect(job(files, 'a')).toMatchObject({ script: ['mine'], timeoutSeconds: 600 });
  });
});

describe('parallel', () => {
  test.each([
    ['a number', 'parallel: 3', ['job 1/3', 'job 2/3', 'job 3/3']],
    [
      'a matrix, the last variable changing fastest',
      'parallel: { matrix: [{ A: [1, 2], B: [x, y] }] }',
      ['job: [1, x]', 'job: [1, y]', 'job: [2, x]', 'job: [2, y]'],
    ],
    ['several entries', 'parallel: { matrix: [{ A: 1 }, { A: 2, B: z }] }', ['job: [1]', 'job: [2, z]']],
  ])('%s', (_title, parallel, expected) => {
    expect(names(`job: { script: [x], ${parallel} }`)).toEqual(expected);
  });

  test('a copy knows its place, and the variables of its entry', () => {
    const second = job('job: { script: [x], parallel: { matrix: [{ A: [1, 2] }] } }', 'job: [2]');
    expect(second).toMatchObject({ node: { index: 2, total: 2 }, variables: [{ key: 'A', value: '2' }] });
  });

  test('needs of a parallel job are all its copies, or those that a matrix names', () => {
    const config = `
stages: [a, b]
job: { stage: a, script: [x], parallel: { matrix: [{ N: [1, 2] }] } }
all: { stage: b, needs: [job], script: [x] }
one: { stage: b, needs: [{ job: job, parallel: { matrix: [{ N: "2" }] } }], script: [x] }`;
    expect(job(config, 'all').needs).toEqual([{ jobs: ['job: [1]', 'job: [2]'], artifacts: true }]);
    expect(job(config, 'one').needs).toEqual([{ jobs: ['job: [2]'], artifacts: true }]);
  });
});

describe('what becomes of a job', () => {
  test.each([
    ['retry: 2', { retry: { max: 2 } }],
    [
      'retry: { max: 1, when: runner_system_failure, exit_codes: [137] }',
      { retry: { max: 1, when: ['runner_system_failure'], exit_codes: [137] } },
    ],
    ['allow_failure: true', { allowFailure: true }],
    ['allow_failure: { exit_codes: 3 }', { allowFailure: { exitCodes: [3] } }],
    ['when: manual', { when: 'manual', allowFailure: true }],
    ['when: delayed, start_in: 30 minutes', { when: 'delayed', startInSeconds: 1800 }],
    ['rules: [{ when: delayed, start_in: 10 s }]', { when: 'delayed', startInSeconds: 10 }],
    ['when: always', { when: 'always' }],
    ['rules: [{ when: manual }]', { when: 'manual', allowFailure: false }],
    ['rules: [{ when: always, allow_failure: true }]', { when: 'always', allowFailure: true }],
    ['timeout: 1h 30m', { timeoutSeconds: 5400 }],
    ['timeout: 3 hours 10 minutes', { timeoutSeconds: 11400 }],
    ['timeout: 90', { timeoutSeconds: 90 }],
    ['resource_group: prod', { resourceGroup: 'prod' }],
    ['environment: review', { environment: { name: 'review' } }],
    ['image: node:22', { image: { name: 'node:22' } }],
    [
      'image: { name: node, docker: { user: "1000", platform: linux/arm64 } }',
      { image: { docker: { user: '1000', platform: 'linux/arm64' } } },
    ],
    ['id_tokens: { VAULT: { aud: https://vault.example } }', { idTokens: { VAULT: ['https://vault.example'] } }],
    [
      'services: [redis, { name: postgres, alias: db }]',
      { services: [{ name: 'redis' }, { name: 'postgres', alias: 'db' }] },
    ],
    ['cache: { key: { files: [a.lock] }, paths: [x/] }', { cache: [{ key: { files: ['a.lock'] }, paths: ['x/'] }] }],
    ['tags: [spot]', { tags: ['spot'] }],
    ['interruptible: true, coverage: "/x/"', { name: 'job' }],
  ])('%s', (keywords, expected) => {
    expect(job(`job: { script: [x], ${keywords} }`)).toMatchObject(expected);
  });
});

test('variables: global, then job, then rule, then matrix; the last one wins', () => {
  const config = `
variables: { A: global, B: global, C: { value: "$A", expand: false } }
job:
  script: [x]
  variables: { B: job, D: job }
  parallel: { matrix: [{ D: matrix }] }
  rules: [{ if: '$A == "global"', variables: { B: rule } }]`;
  const { variables } = job(config, 'job: [matrix]');
  expect(variables).toEqual([
    { key: 'A', value: 'global', raw: false },
    { key: 'B', value: 'rule', raw: false },
    { key: 'C', value: '$A', raw: true },
    { key: 'D', value: 'matrix', raw: false },
  ]);
});

test('stages keep the order of the file, with .pre and .post around them', () => {
  expect(
    read(
      'stages: [two, one]\na: { stage: one, script: [x] }\nb: { stage: .post, script: [x] }\nc: { stage: .pre, script: [x] }',
    ).stages,
  ).toEqual(['.pre', 'one', '.post']);
});

test('what the sandbox can not do is left out, and said', () => {
  const config = `
include: [{ template: Auto.yml }, { local: part.yml }, 'https://example.com/x.yml']
child: { trigger: other }
steps: { run: [{ name: a, script: x }] }
job: { script: [x], needs: [child, { project: a/b, job: c, ref: main, artifacts: true }] }`;
  const { jobs, warnings } = read({ '.gitlab-ci.yml': config, 'part.yml': 'other: { script: [y] }' });
  expect(jobs.map((one) => one.name)).toEqual(['other', 'job']);
  expect(warnings).toEqual([
    '.gitlab-ci.yml: include: template: Auto.yml is left out: the sandbox includes files of the repository only',
    '.gitlab-ci.yml: include: https://example.com/x.yml is left out: the sandbox includes files of the repository only',
    'job child: trigger: is skipped: the sandbox starts no other pipelines',
    'job steps: run: is skipped: the sandbox knows no CI steps',
    'job job: needs: of other pipelines and projects are passed over',
  ]);
});

test('a job that needs what stands in a file that is not included is left out, and nobody waits for it', () => {
  const config = `
include: [{ template: Auto.yml }]
a: { extends: .from-auto }
b: { variables: { A: 1 } }
default: { before_script: !reference [.auto, script], tags: [x] }
c: { extends: .from-auto, parallel: { matrix: [{ N: [1] }] } }
job: { script: [x], needs: [a, b, 'c: [1]', from-auto], dependencies: ['c: [1]'] }`;
  const { jobs, warnings } = read(config);
  expect(jobs.map((one) => [one.name, one.needs])).toEqual([['job', []]]);
  expect(warnings.slice(1)).toEqual([
    'job a: extends: there is no job .from-auto; the job is left out, since that may stand in a file that is not included',
    'job c: extends: there is no job .from-auto; the job is left out, since that may stand in a file that is not included',
    'default: before_script: !reference [.auto, script] finds nothing; it is left out, since that may stand in a file that is not included',
    'job b: script: is missing, and a job needs one; the job is left out, since that may stand in a file that is not included',
    'job job: needs: needs from-auto, and there is no such job; it is not waited for, since that may stand in a file that is not included',
  ]);
});

test('what the sandbox passes over is said', () => {
  expect(read('job: { script: [x], secrets: { A: { vault: x } } }').warnings).toEqual([
    'job job: secrets: the sandbox has none of these; the job goes without',
  ]);
});

describe('YAML as GitLab reads it', () => {
  test.each([
    ['yes', 'true'],
    ['Off', 'false'],
    ['y', 'y'],
    ['true', 'true'],
    ['0755', '493'],
    ['0o755', '0o755'],
    ['1_000', '1000'],
    ['1.10', '1.1'],
    ['1.0', '1.0'],
    ['1,000', '1000'],
    ['1e3', '1e3'],
    ['0x1F', '31'],
    ['0b11', '3'],
    ['-0', '0'],
    ['089', '089'],
    ['.5', '0.5'],
    ['100000000000000000.0', '1.0e+17'],
    ['.00001', '1.0e-05'],
    ['12:30', '45000'],
    ['1:00:05', '3605'],
    ['8080:80', '8080:80'],
    ['.inf', 'Infinity'],
    [':word', 'word'],
    ['! 12', '12'],
    ['!!int "3"', '3'],
    ['!unknown x', 'x'],
    ['12345678901234567890', '12345678901234567890'],
    ['"yes"', 'yes'],
    ['', ''],
    ['~', ''],
  ])('a variable whose value is %s is "%s"', (written, value) => {
    expect(job(`variables:\n  A: ${written}\njob: { script: [x] }`).variables).toEqual([
      { key: 'A', value, raw: false },
    ]);
  });

  test.each([
    ['allow_failure: yes', { allowFailure: true }],
    ['interruptible: off, when: always', { when: 'always' }],
    ['parallel: 02', { node: { total: 2 } }],
  ])('%s', (keywords, expected) => {
    expect(read(`job: { script: [x], ${keywords} }`).jobs[0]).toMatchObject(expected);
  });

  test.each([
    'after_script',
    'allow_failure',
    'artifacts',
    'before_script',
    'cache',
    'coverage',
    'dependencies',
    'environment',
    'except',
    'hooks',
    'id_tokens',
    'image',
    'inherit',
    'interruptible',
    'needs',
    'only',
    'pages',
    'parallel',
    'release',
    'resource_group',
    'retry',
    'rules',
    'secrets',
    'services',
    'stage',
    'start_in',
    'tags',
    'timeout',
    'variables',
    'when',
    'extends',
  ])('%s without a value is no keyword', (keyword) => {
    expect(job(`job:\n  ${keyword}:\n  script: [x]\n`)).toEqual(job('job: { script: [x] }'));
  });

  test.each([
    'artifacts: { paths: [a], expire_in: }',
    'cache: { paths: [a], key: }',
    'retry: { max: 1, when: }',
    'image: { name: a, entrypoint: }',
  ])('also deeper: %s', (keywords) => {
    expect(() => job(`job: { script: [x], ${keywords} }`)).not.toThrow();
  });

  test.each([
    ['a merge key behind a key takes its place', 'script: [x]\n  tags: [mine]\n  <<: *a', ['a']],
    ['a key behind a merge key takes its place', '<<: *a\n  script: [x]\n  tags: [mine]', ['mine']],
    ['of several, the first', '<<: [*a, *b]\n  script: [x]', ['a']],
    ['of one key twice, the last', 'tags: [one]\n  script: [x]\n  tags: [two]', ['two']],
  ])('%s', (_title, keywords, tags) => {
    const config = `.a: &a { tags: [a] }\n.b: &b { tags: [b] }\njob:\n  ${keywords}\n`;
    expect(job(config).tags).toEqual(tags);
  });

  test.each([
    ['a list', 'tags: [\n  a,\nb\n]', ['a', 'b']],
    ['a mapping', 'variables: {\n A: 1\n  }\n  tags: [a, b]', ['a', 'b']],
    ['text in quotes', 'tags: ["a", "b\nc"]', ['a', 'b c']],
    ['text in quotes without brackets', 'tags:\n  - "b\nc"', ['b c']],
  ])('%s may end at any indentation', (_title, keywords, tags) => {
    expect(job(`job:\n  script: [x]\n  ${keywords}\n`).tags).toEqual(tags);
  });

  test('an entry without a value is none', () => {
    const config = `
.none: &none
  -
job: { script: [x], services: [~, redis], rules: [~, { when: always }], cache: [~], needs: [*none] }`;
    expect(job(config)).toMatchObject({ services: [{ name: 'redis' }], cache: [], needs: [] });
  });

  test('thousands of aliases are fine', () => {
    const jobs = Array.from({ length: 400 }, (_, at) => `job-${at}: { <<: *base, variables: *variables, tags: *tags }`);
    const config = ['.base: &base { script: [x] }', '.v: &variables { A: 1 }', '.t: &tags [a, b, c]', ...jobs].join(
      '\n',
    );
    expect(names(config)).toHaveLength(400);
  });

  test('a header document with `spec:` gives inputs their defaults; an include gives its own', () => {
    const files = {
      '.gitlab-ci.yml': `
spec:
  inputs:
    name: { default: build }
    retries: { type: number, default: 2 }
    tags: { type: array, default: [a, b] }
---
include: [{ local: part.yml, inputs: { word: given } }]
"$[[ inputs.name ]]-job":
  script: ["echo $[[ inputs.name | truncate(0, 3) ]]"]
  retry: $[[ inputs.retries ]]
  tags: $[[ inputs.tags ]]`,
      'part.yml': 'spec: { inputs: { word: } }\n---\npart: { script: ["echo $[[ inputs.word ]]"] }',
    };
    expect(job(files, 'build-job')).toMatchObject({ script: ['echo bui'], retry: { max: 2 }, tags: ['a', 'b'] });
    expect(job(files, 'part').script).toEqual(['echo given']);
  });
});
