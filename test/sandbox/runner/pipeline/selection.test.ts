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

const only = (keywords: string) => `always: { script: [x] }\njob: { script: [x], ${keywords} }`;

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
  ['only: { refs: [main], variables: [$CI_COMMIT_TAG] }', {}, false],
  ['only: { changes: [src/*] }', {}, true],
  ['except: [main]', {}, false],
  ['except: [tags]', {}, true],
  ['except: { variables: [$CI_COMMIT_BRANCH == "main"] }', {}, false],
  ['when: never', {}, false],
] as const)('a job with %s on %j is in the pipeline: %s', (keywords, facts, expected) => {
  expect(names(only(keywords), facts).includes('job')).toBe(expected);
});
