/** The stand-in runner beside the tables of what real ones do (test/fixtures/gitlab-runner). */
import { jobResponse } from '../../../sandbox/runner/driver/job-response';
import { runnerVersion } from '../../../sandbox/runner/versions';
import {
  featureFlags,
  hookEnvironment,
  jobNames,
  jobPayload,
  responseFacts,
  runFacts,
  RUNNER_VERSIONS,
  type HookFact,
} from '../../support/runner-facts';
import { landmarks, responseShape } from './runner-words';
import { runScripted, type ScriptedJob, type ScriptedOptions } from './scripted-hooks';

/**
 * Hooks that end as the table says: the same exit codes at the same stages, and a sleep where the
 * job is stopped.
 */
function hooksLike(hooks: readonly HookFact[]): ScriptedOptions {
  const failures = new Map(hooks.flatMap(({ hook, scriptExit }) => (scriptExit ? [[hook, scriptExit]] : [])));
  const stopped = hooks.find((one) => one.stopped)?.hook ?? 'none';
  return {
    prepare: `echo preparing; exit ${hooks.find(({ hook }) => hook === 'prepare')?.exit}`,
    // Only after $! is known does the hook say that it waits: a shell that was just forked loses a
    // signal which it has a trap for, and sleep would outlive the test.
    run: [
      ...[...failures].map(
        ([stage, code]) =>
          `[ "$2" != ${stage} ] || { [ -z "$BUILD_EXIT_CODE_FILE" ] || echo ${code} > "$BUILD_EXIT_CODE_FILE"; exit 1; }`,
      ),
      `[ "$2" != ${stopped} ] || { trap 'kill -KILL $!; exit 143' TERM; sleep 100 >/dev/null 2>&1 & echo waiting; wait; }`,
    ].join('\n'),
  };
}

/**
 * Instead of the 15 s of the table, yet so long that a busy machine comes to the stage that it cuts
 * off.
 */
const SHORT_S = 4;

const replays = new Map<string, Promise<ScriptedJob>>();

/** One run answers all questions about a job. */
function replay(version: string, name: string): Promise<ScriptedJob> {
  const key = `${version}/${name}`;
  const job = replays.get(key) ?? run(version, name);
  replays.set(key, job);
  return job;
}

function run(version: string, name: string): Promise<ScriptedJob> {
  const payload = jobPayload(name);
  return runScripted(name === 'timeout' ? { ...payload, runner_info: { timeout: SHORT_S } } : payload, {
    ...hooksLike(runFacts(version, name).hooks),
    version: RUNNER_VERSIONS[version]!,
    onHook: (hook, control) => {
      if (name === 'cancel' && hook.name === 'run-build_script') control.cancel();
    },
  });
}

describe.each(Object.keys(RUNNER_VERSIONS))('the stand-in runner as gitlab-runner %s', (version) => {
  const names = jobNames(version);

  test('has its feature flags', () => {
    const flags = runnerVersion(RUNNER_VERSIONS[version]!).featureFlags;
    expect(Object.fromEntries(flags.map(([flag, value]) => [flag, String(value)]))).toEqual(featureFlags(version));
  });

  test.each(names)('%s: calls the hooks in the same order, which end the same way', async (name) => {
    const { hooks } = await replay(version, name);
    expect(
      hooks.map((hook) => ({
        hook: hook.name.replace(/^run-/, ''),
        exit: hook.exit?.code,
        stopped: hook.exit?.stopped,
      })),
    ).toEqual(runFacts(version, name).hooks.map(({ hook, exit, stopped = false }) => ({ hook, exit, stopped })));
  });

  test.each(names)('%s: gives each hook the same environment', async (name) => {
    const { hooks } = await replay(version, name);
    expect(hooks).toHaveLength(runFacts(version, name).hooks.length);
    hooks.forEach((hook, index) => {
      const tmpDir = hook.env['TMPDIR'] ?? '';
      const own = Object.entries(hook.env)
        .filter(([key]) => key !== 'PATH' && key !== 'HOME')
        .map(([key, value]) => [key, value.replace(tmpDir, '@TMPDIR@')]);
      expect({ hook: hook.name, env: Object.fromEntries(own) as unknown }).toEqual({
        hook: hook.name,
        env: hookEnvironment(version, name, index),
      });
    });
  });

  test.each(names)('%s: ends the same way, and its log has the same sections and words', async (name) => {
    const { outcome, log } = await replay(version, name);
    const facts = runFacts(version, name);
    expect({
      state: outcome.state,
      failure_reason: outcome.failureReason,
      exit_code: outcome.exitCode,
    }).toEqual({ failure_reason: undefined, exit_code: undefined, ...facts.end });
    const words = JSON.stringify(landmarks(log)).replace(`${SHORT_S}s seconds`, '15s seconds');
    expect(JSON.parse(words)).toEqual(facts.log);
  });

  test.each(names)('%s: JOB_RESPONSE_FILE has the same fields', (name) => {
    const payload = jobPayload(name);
    const written = jobResponse(payload, runnerVersion(RUNNER_VERSIONS[version]!));
    const expected = responseShape(responseFacts[version]!, payload);
    expect(written).toEqual(expected);
    expect(Object.keys(written)).toEqual(Object.keys(expected));
  });
});
