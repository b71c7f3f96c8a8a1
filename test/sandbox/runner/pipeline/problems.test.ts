import { problems } from './reading';

test.each([
  [
    'no YAML',
    'job: [',
    '.gitlab-ci.yml:1: Flow sequence in block collection must be sufficiently indented and end with a ]',
  ],
  ['a list', '- a', '.gitlab-ci.yml: should be a mapping of jobs and keywords'],
  ['no jobs', 'stages: [a]', 'jobs: the pipeline has no job that is not hidden'],
  ['a job without script', 'job: { stage: test }', 'jobs:job:script: is missing, and a job needs one'],
  [
    'an unknown keyword',
    'job: { script: [x], scripts: [y] }',
    'jobs:job:scripts: is no keyword that the sandbox knows here',
  ],
  [
    'an unknown keyword, deeper',
    'job: { script: [x], artifacts: { path: [y] } }',
    'jobs:job:artifacts:path: is no keyword that the sandbox knows here',
  ],
  [
    'an unknown stage',
    'job: { script: [x], stage: nope }',
    'jobs:job:stage: there is no stage nope; stages are build, test, deploy',
  ],
  [
    'a wrong duration',
    'job: { script: [x], timeout: soon }',
    'jobs:job:timeout: should be a duration such as `1h 30m`, and is `soon`',
  ],
  ['too many retries', 'job: { script: [x], retry: 5 }', 'jobs:job:retry:max: should be 0, 1, or 2'],
  [
    'a wrong when',
    'job: { script: [x], when: later }',
    'jobs:job:when: should be on_success, on_failure, always, manual, delayed, or never',
  ],
  [
    'an unquoted boolean variable',
    'variables: { A: true }\njob: { script: [x] }',
    'variables:A:value: should be text or a number (quote `true` and `false`)',
  ],
  [
    'needs of nobody',
    'job: { script: [x], needs: [nobody] }',
    'jobs:job:needs: needs nobody, and there is no such job',
  ],
  [
    'needs of a job that is not in this pipeline',
    'a: { script: [x], only: [tags] }\njob: { script: [x], needs: [a] }',
    'jobs:job:needs: needs a, which is not in this pipeline; `optional: true` would do without it',
  ],
  [
    'needs in a circle',
    'a: { script: [x], needs: [b] }\nb: { script: [x], needs: [a] }',
    'jobs:a:needs: a → b → a goes round in a circle',
  ],
  ['extends of nobody', 'job: { script: [x], extends: .base }', 'jobs:job:extends: there is no job .base'],
  [
    'extends in a circle',
    '.a: { extends: .b }\n.b: { extends: .a }\njob: { extends: .a, script: [x] }',
    'jobs:.b:extends: .a → .b → .a goes round in a circle',
  ],
  [
    'a reference to nothing',
    'job: { script: !reference [.a, script] }',
    'job:script: !reference [.a, script] finds nothing',
  ],
  [
    'a missing include',
    'include: ci.yml\njob: { script: [x] }',
    '.gitlab-ci.yml: include: there is no file ci.yml in the repository',
  ],
  [
    'a remote include',
    'include: [{ template: Auto.yml }]\njob: { script: [x] }',
    '.gitlab-ci.yml: include:template: the sandbox includes local files only; put a copy into the repository',
  ],
  [
    'a pipeline of .pre and .post alone',
    'a: { stage: .pre, script: [x] }\nb: { stage: .post, script: [x] }',
    'jobs: only jobs of .pre and .post would run, and GitLab makes no pipeline of these alone',
  ],
  [
    'a broken expression',
    'job: { script: [x], rules: [{ if: "$A ==" }] }',
    'jobs:job:rules:0:if: `$A ==` misses a variable or a "string"',
  ],
  [
    'rules beside only',
    'job: { script: [x], rules: [{ when: always }], only: [main] }',
    'jobs:job: has both rules and only; choose one',
  ],
  [
    'a workflow that wants no pipeline',
    'workflow: { rules: [{ if: $CI_COMMIT_TAG }] }\njob: { script: [x] }',
    'workflow:rules: no rule lets a pipeline run for main',
  ],
  [
    'a script that is no command',
    'job: { script: [{ a: b }] }',
    'jobs:job:script:0: should be a command or a list of commands',
  ],
  ['nothing to run', 'job: { script: [x], only: [tags] }', 'jobs: no job is part of a pipeline for branch main'],
])('%s', (_title, config, sentence) => {
  expect(problems(config)).toContain(sentence);
});

test('all problems are told at once', () => {
  expect(problems('a: { script: [x], retry: 9 }\nb: { stages: x, script: [x] }')).toHaveLength(2);
});
