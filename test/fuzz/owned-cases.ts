import { cloudInstance } from '../support/fakes';
import fc from '../support/property';
import { CONTAINER, type Act, type OwnedPlan, type Reply, type Spoil } from './owned-instance';
import type { OwnedJob } from './owned-job';
import { hostileText, hostileVariable, mutated, mutatedText } from './support';

/** Jobs that own their instance, for fast-check: what it does, and what their authors wrote. */
const frameText = fc.oneof(
  fc.constantFrom(
    'attached b',
    'attached other',
    'exit 0',
    'exit 1',
    'exit 137',
    'exit 1e99',
    'exit -1',
    'exit',
    'attached',
  ),
  fc.constantFrom('interruption 2026-11-24T12:05:00Z', 'blind', 'broken no space left', 'output 5', 'x'.repeat(40_000)),
  // With what the stage used of the machine.
  fc.constantFrom('exit 0 1 2 3 4 5 6', 'exit 0 9 0 9 0 0 0', 'exit 1 99999999999999 1 2 3 4 5', 'exit 0 -1 0 1e9 x'),
  hostileText,
  fc
    .tuple(fc.constantFrom('exit ', 'exit 0 ', 'attached ', 'interruption ', 'broken '), hostileText)
    .map((parts) => parts.join('')),
);
const messageText = fc.oneof(
  fc.constantFrom(
    'interruption 2026-11-24T12:05:00Z',
    'interruption soon',
    'blind',
    'ended 0',
    'ended 1e99',
    'rebooted',
    'vanished oom',
    'broken',
  ),
  fc
    .tuple(fc.constantFrom('interruption ', 'ended ', 'vanished ', 'broken ', ''), hostileText)
    .map((parts) => parts.join('')),
);
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('frame' as const), text: frameText }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('raw' as const), text: hostileText }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('message' as const), text: messageText }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('much' as const),
      kib: fc.integer({ min: 1, max: 512 }),
      stderr: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('exit' as const), code: fc.integer({ min: 0, max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('close' as const, 'eof' as const, 'hang up' as const) }) },
);
const acts = fc.array(act, { maxLength: 8 });

const text = fc.oneof(
  hostileText,
  mutatedText(CONTAINER),
  mutatedText({ auths: { 'registry.example.com': { auth: 'eA==' } }, credsStore: 'own', credHelpers: { a: 'b' } }),
  mutatedText({ Username: 'u', Secret: 'hush' }),
  fc.constantFrom('Version: 1', 'Version: 19.99', 'gitlab-spot: :::.', 'gitlab-spot: 1:2:sh:/bin/bash.\n'.repeat(99)),
  hostileText.map((one) => `gitlab-spot: 7:7:${one}:${one}.\n`),
  hostileText.map((one) => `Version: ${one}\n`),
);
const reply: fc.Arbitrary<Reply> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('right' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('text' as const),
      stdout: text,
      stderr: hostileText,
      code: fc.constantFrom(0, 0, 0, 1, 79, 127, 255),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('much' as const), kib: fc.integer({ min: 1, max: 2048 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('close' as const, 'hang up' as const, 'silent' as const) }),
  },
);

/**
 * Not those that hold process ids: the supervisor ends whose they are, and this machine is ours. For
 * the same reason what it runs or writes through is one of a few texts.
 */
const READ = ['status', 'out', 'errors', 'claim/boot', 'claim/oom', '../../boot'];
const ANY = [...READ, 'pipe', 'alive', 'script', 'claim', '../../environment', '../../shell', '../../functions', '..'];
const RUN = ['../../environment', '../../functions'];
const spoil: fc.Arbitrary<Spoil> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('write' as const, 'append' as const, 'forge' as const),
    file: fc.constantFrom(...READ),
    text: fc.oneof(frameText, hostileText).map((one) => one.replaceAll('\0', '')),
  }),
  fc.record({
    kind: fc.constantFrom('write' as const, 'append' as const),
    file: fc.constantFrom(...RUN),
    text: fc.constantFrom('exit 1', 'set -e', 'export PATH=/nowhere', 'not a shell ((', ''),
  }),
  fc.record({
    kind: fc.constantFrom('remove' as const, 'folder' as const, 'link' as const),
    file: fc.constantFrom(...ANY),
    text: fc.constantFrom('nowhere', '/dev/null', '.', 'pipe'),
  }),
);

const ownedPlan: fc.Arbitrary<OwnedPlan> = fc.oneof(
  {
    weight: 19,
    arbitrary: fc.record({ acts, answers: fc.oneof(fc.constant([]), fc.array(reply, { maxLength: 16 })) }),
  },
  {
    weight: 1,
    arbitrary: fc.array(spoil, { minLength: 1, maxLength: 6 }).map((spoils) => ({ acts: [], answers: [], spoils })),
  },
);

const NAMES = [
  ...['CI_JOB_ID', 'CI_PROJECT_ID', 'CI_PROJECT_PATH', 'CI_SERVER_URL', 'CI_SERVER_HOST', 'CI_JOB_TIMEOUT'],
  ...['CI_COMMIT_REF_PROTECTED', 'CI_COMMIT_REF_NAME', 'CI_PIPELINE_ID', 'CI_JOB_NAME', 'CI_JOB_STARTED_AT'],
  ...['CI_PROJECT_DIR', 'CI_RUNNER_ID', 'CI_RUNNER_VERSION', 'CI_MERGE_REQUEST_PROJECT_ID', 'GITLAB_USER_LOGIN'],
  ...[
    'CI_JOB_STATUS',
    'SPOT_NO_RETRY',
    'SPOT_ON_INTERRUPTION',
    'GITLAB_SPOT_JOB',
    'GITLAB_SPOT_ATTEMPT',
    'GITLAB_SPOT_STATE_DIR',
    'JOB_RESPONSE_FILE',
  ],
  ...['DOCKER_AUTH_CONFIG', 'PATH', 'HOME', 'NODE_OPTIONS', 'LD_PRELOAD', 'PULUMI_HOME', 'A', 'B', '__proto__', 'IFS'],
] as const;
const value = fc.oneof(
  { weight: 4, arbitrary: hostileVariable },
  {
    weight: 2,
    arbitrary: fc.constantFrom('1', '2002', '7', 'ml/secret', 'team/other', 'gpu', 'standard', '2678400', '31d'),
  },
  { weight: 1, arbitrary: fc.constantFrom('https://evil.example.com', 'http://127.0.0.1:9/x', '$A$A$A', '{"a":1}') },
  {
    weight: 1,
    arbitrary: fc
      .oneof({ weight: 9, arbitrary: fc.nat(9_000) }, { weight: 1, arbitrary: fc.nat(120_000) })
      .map((length) => 'v'.repeat(length)),
  },
);
/** Most of what it may choose is refused, and then the rest is not tried. */
const CHOICES = ['SPOT_PROFILE', 'SPOT_CPU', 'SPOT_MEMORY', 'SPOT_DISK', 'SPOT_ARCH', 'SPOT_DEBUG_KEEP'] as const;
const variables = fc
  .tuple(
    fc.dictionary(fc.constantFrom(...NAMES), value, { maxKeys: 8 }),
    fc.oneof(
      { weight: 5, arbitrary: fc.constant({}) },
      { weight: 1, arbitrary: fc.dictionary(fc.constantFrom(...CHOICES), value, { maxKeys: 2 }) },
    ),
  )
  .map(([any, choice]) => ({ ...any, ...choice }));

const RESPONSE = {
  job_info: { name: 'build', stage: 'test' },
  image: { name: 'java:23', executor_opts: { docker: { user: 'app', platform: 'linux/amd64' } } },
  services: [{ name: 'db:16', alias: 'db', variables: [{ key: 'A', value: '$A' }] }, { name: 'docker:27-dind' }],
  credentials: [{ type: 'registry', url: 'registry.example.com', username: 'u', password: 'p' }],
  steps: [{ name: 'script', when: 'on_success' }, { name: 'after_script' }, { name: 'release' }],
  artifacts: [{ when: 'always', paths: ['out'] }],
  cache: [{ key: 'k', paths: ['cache'], policy: 'pull-push', when: 'on_success' }],
  variables: [{ key: 'A', value: 'x', public: true }],
};
/** A few letters that stand for many. */
const grown = fc.nat(5_000).map((count) => '$$A$A${A}'.repeat(count));
const response = fc.oneof(
  { weight: 3, arbitrary: mutated(RESPONSE, 3) },
  { weight: 2, arbitrary: fc.constant(RESPONSE) },
  { weight: 2, arbitrary: fc.constant({ ...RESPONSE, image: {}, services: [] }) },
  {
    weight: 2,
    arbitrary: fc
      .record({ name: fc.oneof(grown, hostileText), alias: fc.oneof(grown, hostileText) })
      .map((service) => ({ ...RESPONSE, services: [service], image: { name: service.name } })),
  },
);

export const ownedJob: fc.Arbitrary<OwnedJob> = fc.record({
  variables,
  later: variables,
  response,
  protectedRef: fc.boolean(),
  timeoutSeconds: fc.constantFrom(600, 3_600, 86_400),
  plan: ownedPlan,
  says: fc.constantFrom<OwnedJob['says']>(
    cloudInstance(),
    cloudInstance({ status: 'Stopped' }),
    cloudInstance({ recycling: true }),
    'gone',
    'busy',
  ),
  stages: fc.array(fc.constantFrom('prepare_script', 'build_script', 'step_release', 'after_script', 'archive_cache'), {
    minLength: 1,
    maxLength: 2,
  }),
});
