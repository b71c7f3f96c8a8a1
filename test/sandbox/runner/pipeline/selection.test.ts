import { evaluate, InvalidExpression } from '../../../../sandbox/runner/pipeline/expression';
import { names } from './reading';

const values: Readonly<Record<string, string>> = { BRANCH: 'feature/x', EMPTY: '', PATTERN: '/^feature/', ONE: '1' };
const lookup = (name: string) => values[name] ?? null;

test.each([
  ['$BRANCH', true],
  ['$EMPTY', false],
  ['$MISSING', false],
  ['$MISSING == null', true],
  ['$EMPTY == ""', true],
  ['$EMPTY != null', true],
  ['$BRANCH == "feature/x"', true],
  ["$BRANCH != 'main'", true],
  ['"feature/x" == $BRANCH', true],
  ['$BRANCH =~ /^feature/', true],
  ['$BRANCH =~ /^FEATURE/i', true],
  ['$BRANCH !~ /^release/', true],
  ['$BRANCH =~ $PATTERN', true],
  ['$MISSING =~ /x/', false],
  ['$ONE == "1" && $BRANCH', true],
  ['$ONE == "2" || $BRANCH == "feature/x"', true],
  ['$ONE == "1" || $MISSING && $MISSING', true],
  ['($ONE == "1" || $MISSING) && $MISSING', false],
  ['$ONE && ($MISSING || ($EMPTY == "" && $BRANCH))', true],
  ['${ONE} == "1"', true],
])('rules:if: %s is %s', (expression, expected) => {
  expect(evaluate(expression, lookup)).toBe(expected);
});

test.each([['$A =='], ['== "x"'], ['($A'], ['$A = "x"'], ['$A "b"'], ['$A =~ /(/']])(
  'rules:if: %s is no expression',
  (expression) => {
    expect(() => evaluate(expression, () => 'x')).toThrow(InvalidExpression);
  },
);

const MERGE_REQUEST = {
  ref: 'change',
  source: 'merge_request_event',
  mergeRequest: { iid: 3, targetBranch: 'main', baseSha: '0'.repeat(40) },
} as const;

const only = (keywords: string) =>
  `always: { script: [x], rules: [{ when: always }] }\njob: { script: [x], ${keywords} }`;

test.each([
  ['rules: [{ if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH }]', {}, true],
  ['rules: [{ if: $CI_COMMIT_TAG }]', {}, false],
  ['rules: [{ if: $CI_COMMIT_TAG }]', { refType: 'tag', ref: 'v1' }, true],
  ['rules: [{ if: $CI_COMMIT_BRANCH == "main", when: never }, { when: always }]', {}, false],
  ['rules: [{ changes: [src/*] }]', {}, true],
  ['rules: [{ changes: ["**/*.md"] }]', {}, true],
  ['rules: [{ changes: { paths: [lib/**/*] } }]', {}, false],
  ['rules: [{ changes: [lib/*] }]', { changedFiles: undefined }, true],
  ['rules: [{ exists: [.gitlab-ci.yml] }]', {}, true],
  ['rules: [{ exists: [Dockerfile] }]', {}, false],
  ['rules: []', {}, false],
  ['only: [main]', {}, true],
  ['only: [branches]', {}, true],
  ['only: [tags]', {}, false],
  ['only: [/^ma/]', {}, true],
  ['only: [merge_requests]', {}, false],
  ['only: [merge_requests]', MERGE_REQUEST, true],
  ['only: [branches]', MERGE_REQUEST, false],
  ['only: [pushes]', MERGE_REQUEST, false],
  ['only: [schedules]', { source: 'schedule' }, true],
  ['rules: [{ if: $CI_PIPELINE_SOURCE == "merge_request_event" }]', MERGE_REQUEST, true],
  ['rules: [{ if: $CI_COMMIT_BRANCH }]', MERGE_REQUEST, false],
  ['rules: [{ if: $CI_MERGE_REQUEST_TARGET_BRANCH_NAME == "main" }]', MERGE_REQUEST, true],
  ['only: { refs: [main], variables: [$CI_COMMIT_TAG] }', {}, false],
  ['only: { changes: [src/*] }', {}, true],
  ['except: [main]', {}, false],
  ['except: [tags]', {}, true],
  ['except: { variables: [$CI_COMMIT_BRANCH == "main"] }', {}, false],
  ['when: never', {}, false],
] as const)('a job with %s on %j is in the pipeline: %s', (keywords, facts, expected) => {
  expect(names(only(keywords), facts).includes('job')).toBe(expected);
});

test.each([
  ['', false],
  ['workflow: { rules: [{ when: always }] }\n', true],
])('a job without rules after %j is in a merge request pipeline: %s', (workflow, expected) => {
  const config = `${workflow}always: { script: [x], rules: [{ when: always }] }\njob: { script: [x] }`;
  expect(names(config, MERGE_REQUEST).includes('job')).toBe(expected);
});
