import { problems } from './reading';

/** Ten levels of ten aliases each. */
const BOMB = [
  'a0: &a0 [x, x, x, x, x, x, x, x, x, x]',
  ...Array.from({ length: 9 }, (_, at) => `a${at + 1}: &a${at + 1} [${Array(10).fill(`*a${at}`).join(', ')}]`),
  'job: { script: [x] }',
].join('\n');

test.each([
  ['no YAML', 'job: [', 'line 1: the indentation fits nothing above it, or a bracket is not closed'],
  ['a list', '- a', 'should be a mapping of jobs and keywords'],
  ['no jobs', 'stages: [a]', 'jobs: the pipeline has no job that is not hidden'],
  ['a job without script', 'job: { stage: test }', 'job job: script: is missing, and a job needs one'],
  [
    'an unknown keyword',
    'job: { script: [x], scripts: [y] }',
    'job job: unknown keyword scripts (did you mean script?)',
  ],
  [
    'an unknown keyword, deeper',
    'job: { script: [x], artifacts: { path: [y] } }',
    'job job: artifacts: unknown keyword path (did you mean paths?)',
  ],
  [
    'an unknown stage',
    'job: { script: [x], stage: nope }',
    'job job: stage: there is no stage nope; stages are build, test, deploy',
  ],
  [
    'a wrong duration',
    'job: { script: [x], timeout: soon }',
    'job job: timeout: should be a duration such as `1h 30m`, and is `soon`',
  ],
  ['too many retries', 'job: { script: [x], retry: 5 }', 'job job: retry: max: should be 0, 1, or 2'],
  [
    'a wrong when',
    'job: { script: [x], when: later }',
    'job job: when: should be on_success, on_failure, always, manual, delayed, or never',
  ],
  [
    'a variable that is a list',
    'variables: { A: [1] }\njob: { script: [x] }',
    'variables: A: value: should be text, a number, true or false',
  ],
  ['a keyword that resembles none', 'job: { script: [x], elephants: 3 }', 'job job: unknown keyword elephants'],
  ['a misspelt global keyword', 'stage: [a]\njob: { script: [x] }', 'stage: unknown keyword (did you mean stages?)'],
  [
    'an alias of nothing',
    'job: { script: [x], tags: *none }',
    'line 1: an alias (`*name`) has no anchor (`&name`) before it',
  ],
  [
    'a date, as which Ruby reads it',
    'variables:\n  A: 2026-11-27\njob: { script: [x] }',
    'line 2: GitLab refuses `2026-11-27` as a date: put it in quotes',
  ],
  ['a merge key of no mapping', '.a: &a [x]\njob: { <<: *a, script: [x] }', 'job job: unknown keyword <<'],
  ['a tab', 'job:\n\tscript: x', 'line 2: a tab stands where only spaces may'],
  ['aliases that would fill the memory', BOMB, 'its aliases make more than 1,000,000 values of it'],
  [
    'spec without a document of its own',
    'spec: { inputs: {} }\njob: { script: [x] }',
    'spec: should be a document of its own before the rest, which begins after a line `---`',
  ],
  [
    'an input without a value',
    'spec: { inputs: { who: } }\n---\njob: { script: ["echo $[[ inputs.who ]]"] }',
    'spec: inputs: who: has no default, and the sandbox gives no inputs',
  ],
  [
    'an input that is not declared',
    'spec: { inputs: {} }\n---\njob: { script: ["echo $[[ inputs.who ]]"] }',
    '$[[ inputs.who ]] is no input of its `spec:`',
  ],
  [
    'needs of nobody',
    'job: { script: [x], needs: [nobody] }',
    'job job: needs: needs nobody, and there is no such job',
  ],
  [
    'needs of a job that is not in this pipeline',
    'a: { script: [x], only: [tags] }\njob: { script: [x], needs: [a] }',
    'job job: needs: needs a, which is not in this pipeline; `optional: true` would do without it',
  ],
  [
    'needs in a circle',
    'a: { script: [x], needs: [b] }\nb: { script: [x], needs: [a] }',
    'job a: needs: a → b → a goes round in a circle',
  ],
  ['extends of nobody', 'job: { script: [x], extends: .base }', 'job job: extends: there is no job .base'],
  [
    'extends in a circle',
    '.a: { extends: .b }\n.b: { extends: .a }\njob: { extends: .a, script: [x] }',
    'job .b: extends: .a → .b → .a goes round in a circle',
  ],
  [
    'a reference to nothing',
    'job: { script: !reference [.a, script] }',
    'job job: script: !reference [.a, script] finds nothing',
  ],
  ['a missing include', 'include: ci.yml\njob: { script: [x] }', 'include: there is no file ci.yml in the repository'],
  [
    'a pipeline of .pre and .post alone',
    'a: { stage: .pre, script: [x] }\nb: { stage: .post, script: [x] }',
    'jobs: only jobs of .pre and .post would run, and GitLab makes no pipeline of these alone',
  ],
  [
    'a broken expression',
    'job: { script: [x], rules: [{ if: "$A ==" }] }',
    'job job: rules: rule 1: if: `$A ==` misses a variable or a "string"',
  ],
  [
    'rules beside only',
    'job: { script: [x], rules: [{ when: always }], only: [main] }',
    'job job: has both rules and only; choose one',
  ],
  [
    'a workflow that wants no pipeline',
    'workflow: { rules: [{ if: $CI_COMMIT_TAG }] }\njob: { script: [x] }',
    'workflow: rules: no rule lets a pipeline run for main',
  ],
  [
    'a script that is no command',
    'job: { script: [{ a: b }] }',
    'job job: script: should be a command or a list of commands',
  ],
  ['nothing to run', 'job: { script: [x], only: [tags] }', 'jobs: no job is part of a pipeline for branch main'],
])('%s', (_title, config, sentence) => {
  expect(problems(config)).toContain(`.gitlab-ci.yml: ${sentence}`);
});

test('all problems are told in one run, wherever they are, and none that only follows from another', () => {
  const config = `
include: [missing.yml]
variables: { A: [1] }
workflow: { rules: [{ if: '$A =' }] }
.base: { script: [x] }
a: { script: [x], retry: 9 }
b: { scirpt: x, stage: nowhere, extends: .base }
c: { script: !reference [.none, script] }
d: { extends: .nobody }
e: { script: [x], rules: [{ if: '($A' }] }
f: { script: [x], needs: [a, c, nobody], stage: elsewhere }`;
  expect(problems(config)).toEqual([
    '.gitlab-ci.yml: include: there is no file missing.yml in the repository',
    '.gitlab-ci.yml: job d: extends: there is no job .nobody',
    '.gitlab-ci.yml: job c: script: !reference [.none, script] finds nothing',
    '.gitlab-ci.yml: variables: A: value: should be text, a number, true or false',
    '.gitlab-ci.yml: workflow: rules: rule 1: if: `$A =` cannot be read from `=` on',
    '.gitlab-ci.yml: job a: retry: max: should be 0, 1, or 2',
    '.gitlab-ci.yml: job b: unknown keyword scirpt (did you mean script?)',
    '.gitlab-ci.yml: job f: stage: there is no stage elsewhere; stages are build, test, deploy',
    '.gitlab-ci.yml: job e: rules: rule 1: if: `($A` misses a `)`',
    '.gitlab-ci.yml: job f: needs: needs nobody, and there is no such job',
  ]);
});

test('what the sandbox leaves out is told beside what is wrong: it may be the reason', () => {
  expect(problems('include: [{ project: ci/templates, file: [a.yml, b.yml] }]')).toEqual([
    '.gitlab-ci.yml: jobs: the pipeline has no job that is not hidden',
    '.gitlab-ci.yml: include: project: ci/templates: a.yml, b.yml is left out: the sandbox includes files of the repository only',
  ]);
  const children = Array.from({ length: 9 }, (_, at) => `c${at}: { trigger: other }`).join('\n');
  expect(problems(`${children}\njob: { script: [x], retry: 9 }`)).toEqual([
    '.gitlab-ci.yml: job job: retry: max: should be 0, 1, or 2',
    '.gitlab-ci.yml: job c0, c1, c2, c3, c4 and 4 others: trigger: is skipped: the sandbox starts no other pipelines',
  ]);
});
