import type { JobOutcome } from '../../../sandbox/runner/driver/job-run';
import { afterScript, payload, variable } from './payloads';
import { ANSWER, runScripted, type ScriptedJob } from './scripted-hooks';
import { plain } from './local-hooks';

const order = (job: ScriptedJob) => job.hooks.map((hook) => hook.name);
const lastLine = (job: ScriptedJob) => plain(job.log).trimEnd().split('\n').at(-1);

describe('prepare', () => {
  test('is tried three times with a fresh TMPDIR, 3 s apart, with a cleanup after each', async () => {
    const job = await runScripted(payload(['x']), { prepare: 'exit 2' });
    expect(order(job)).toEqual([
      'config',
      'prepare',
      'cleanup',
      'config',
      'prepare',
      'cleanup',
      'config',
      'prepare',
      'cleanup',
    ]);
    expect(new Set(job.hooks.map((hook) => hook.env['TMPDIR'])).size).toBe(3);
    expect(job.slept).toEqual([3000, 3000, 3000]);
    expect(job.outcome).toMatchObject({ state: 'failed', failureReason: 'runner_system_failure' });
  });

  test('that says the job itself is at fault is not tried again', async () => {
    const job = await runScripted(payload(['x']), { prepare: 'exit $BUILD_FAILURE_EXIT_CODE' });
    expect(order(job)).toEqual(['config', 'prepare', 'cleanup']);
    expect(job.outcome).toMatchObject({ failureReason: 'script_failure', exitCode: 1 });
  });

  test('that works at the second attempt goes on with it', async () => {
    const job = await runScripted(payload(['x']), { prepare: '[ -e $HOME/tried ] || { touch $HOME/tried; exit 2; }' });
    expect(order(job).slice(0, 6)).toEqual(['config', 'prepare', 'cleanup', 'config', 'prepare', 'run-prepare_script']);
    expect(job.outcome.state).toBe('success');
  });

  test('that is cancelled gets SIGTERM, a cleanup, and no second attempt', async () => {
    const job = await runScripted(payload(['x']), {
      prepare: 'trap "exit 143" TERM; echo waiting; while :; do sleep 0.1; done',
      onHook: (hook, control) => hook.name === 'prepare' && control.cancel(),
    });
    expect(order(job)).toEqual(['config', 'prepare', 'cleanup']);
    expect(job.hooks[1]?.exit).toEqual({ code: 143, stopped: true });
    expect(job.outcome).toMatchObject({ canceled: true, failureReason: 'unknown_failure' });
  });
});

describe('config', () => {
  test.each([
    ['prints no JSON', 'echo hello', 'error while parsing JSON output'],
    ['names no builds_dir', 'echo "{}"', 'the builds_dir is not configured'],
    ['names no cache_dir', `echo '{"builds_dir":"/b"}'`, 'the cache_dir is not configured'],
    ['fails', 'exit 2', 'exit status 2'],
    [
      'ends in its own way',
      'exit 7',
      'unknown Custom executor executable exit code 7; executable execution terminated with: exit status 7',
    ],
  ])('that %s fails the job as a system failure', async (_title, config, sentence) => {
    const job = await runScripted(payload(['x']), { config });
    expect(job.outcome.failureReason).toBe('runner_system_failure');
    expect(lastLine(job)).toContain(`ERROR: Job failed (system failure): ${sentence}`);
  });

  test('its job_env reaches the later hooks, and not the cleanup of an attempt whose config failed', async () => {
    const failing = await runScripted(payload(['x']), { config: `echo '${ANSWER}'; exit 2` });
    expect(failing.hooks.map((hook) => hook.env['SPOT_FROM_CONFIG'])).toEqual(Array(6).fill(undefined));
    const working = await runScripted(payload(['x']));
    expect(working.hooks.map((hook) => hook.env['SPOT_FROM_CONFIG'])).toEqual([
      undefined,
      ...Array(working.hooks.length - 1).fill('1'),
    ]);
  });

  test('a builds_dir that jobs share gets a folder for each runner and slot', async () => {
    const job = await runScripted(payload(['x']), {
      config: `echo '{"builds_dir":"/b","cache_dir":"/c","builds_dir_is_shared":true}'`,
    });
    expect(job.hooks[1]?.env['CUSTOM_ENV_CI_PROJECT_DIR']).toBe('/b/recorded0/0/root/demo');
  });

  test.each<[string, string, Partial<JobOutcome>, string | undefined]>([
    ['within the builds folder', '$CI_BUILDS_DIR/go/src/demo/', { state: 'success' }, '/builds/go/src/demo'],
    ['out of it', '$CI_BUILDS_DIR/../etc', { state: 'failed', failureReason: 'script_failure' }, undefined],
  ])('GIT_CLONE_PATH %s', async (_where, path, outcome, folder) => {
    const job = await runScripted(payload(['x'], { variables: [variable('GIT_CLONE_PATH', path)] }), {});
    expect(job.outcome).toMatchObject(outcome);
    expect(job.hooks.find(({ name }) => name === 'prepare')?.env['CUSTOM_ENV_CI_PROJECT_DIR']).toBe(folder);
    if (folder === undefined)
      expect(lastLine(job)).toBe('ERROR: Job failed: the GIT_CLONE_PATH="/builds/../etc" has to be within "/builds"');
  });

  test('its errors go to the job log', async () => {
    const job = await runScripted(payload(['x']), { config: `echo trouble >&2; echo '${ANSWER}'` });
    expect(job.log).toContain('trouble\n');
  });
});

describe('stages', () => {
  test("the exit code that the hook writes is the job's", async () => {
    const job = await runScripted(payload(['x']), {
      run: '[ $2 != build_script ] || { echo 42 > $BUILD_EXIT_CODE_FILE; exit 1; }',
    });
    expect(job.outcome).toMatchObject({ failureReason: 'script_failure', exitCode: 42 });
  });

  test('17.4 has no file for it', async () => {
    const job = await runScripted(payload(['x']), { version: '17.4', run: '[ $2 != build_script ] || exit 1' });
    expect(job.hooks.every((hook) => hook.env['BUILD_EXIT_CODE_FILE'] === undefined)).toBe(true);
    expect(job.outcome.exitCode).toBe(1);
  });

  test.each([
    [2, 'exit status 2'],
    [255, 'unknown Custom executor executable exit code 255; executable execution terminated with: exit status 255'],
  ])('a hook that ends with %d is a system failure; the later stages run all the same', async (code, words) => {
    const job = await runScripted(payload(['x'], { steps: [...payload(['x']).steps, afterScript(['y'])] }), {
      run: `[ $2 != build_script ] || exit ${code}`,
    });
    expect(order(job).slice(-3)).toEqual(['run-after_script', 'run-cleanup_file_variables', 'cleanup']);
    expect(lastLine(job)).toBe(`ERROR: Job failed (system failure): ${words}`);
  });

  test('a prepare_script that fails ends the job, and says where to look', async () => {
    const job = await runScripted(payload(['x']), { run: 'exit 2' });
    expect(order(job)).toEqual(['config', 'prepare', 'run-prepare_script', 'cleanup']);
    expect(lastLine(job)).toContain('prepare environment: exit status 2. Check https://docs.gitlab.com');
  });

  test('an after_script that fails changes nothing', async () => {
    const job = await runScripted(payload(['x'], { steps: [...payload(['x']).steps, afterScript(['y'])] }), {
      run: '[ $2 != after_script ] || exit 1',
    });
    expect(job.outcome.state).toBe('success');
    expect(job.log).toContain('after_script failed, but job will continue unaffected');
  });

  test.each([['0'], ['11'], ['many']])('GET_SOURCES_ATTEMPTS of %s is refused', async (attempts) => {
    const job = await runScripted(payload(['x'], { variables: [variable('GET_SOURCES_ATTEMPTS', attempts)] }));
    expect(lastLine(job)).toContain('number of attempts out of the range [1, 10] for stage: get_sources');
  });

  test('17.4 tries a stage again at once', async () => {
    const job = await runScripted(payload(['x'], { variables: [variable('GET_SOURCES_ATTEMPTS', '3')] }), {
      version: '17.4',
      run: '[ $2 != get_sources ] || exit 1',
    });
    expect(job.slept).toEqual([]);
    expect(order(job).filter((name) => name === 'run-get_sources')).toHaveLength(3);
  });

  test("the script has the stage's shell when config names one", async () => {
    const job = await runScripted(payload(['x']), {
      config: `echo '{"builds_dir":"/b","cache_dir":"/c","shell":"sh"}'`,
    });
    expect(job.hooks.find((hook) => hook.name === 'run-build_script')?.script).toMatch(/^#!\/usr\/bin\/env sh\n/);
  });
});

describe('the end of a job', () => {
  test('a hook that ignores SIGTERM is killed when the graceful time is over', async () => {
    const job = await runScripted(payload(['x']), {
      run: '[ $2 != build_script ] || { trap "" TERM; echo waiting; while :; do sleep 0.05; done; }',
      gracefulKillMs: 200,
      onHook: (hook, control) => hook.name === 'run-build_script' && control.cancel(),
    });
    expect(job.hooks.find((hook) => hook.name === 'run-build_script')?.exit).toEqual({ code: 137, stopped: true });
    expect(job.outcome.canceled).toBe(true);
  });

  test('a hard cancel runs nothing but cleanup', async () => {
    const job = await runScripted(payload(['x'], { steps: [...payload(['x']).steps, afterScript(['y'])] }), {
      run: '[ $2 != build_script ] || { trap "exit 1" TERM; echo waiting; while :; do sleep 0.05; done; }',
      onHook: (hook, control) => hook.name === 'run-build_script' && control.abort(),
    });
    expect(order(job).slice(-2)).toEqual(['run-build_script', 'cleanup']);
  });

  test.each([
    ['19.3', ['unknown_failure', 'runner_system_failure', 'runner_interrupted'], 'runner_interrupted'],
    ['19.3', ['unknown_failure', 'runner_system_failure'], 'unknown_failure'],
    ['17.4', ['unknown_failure', 'runner_system_failure', 'runner_interrupted'], 'runner_system_failure'],
  ] as const)(
    'a runner %s that is told to end reports, to a GitLab that knows %j, %s',
    async (version, known, reason) => {
      const job = await runScripted(payload(['x'], { features: { failure_reasons: known } }), {
        version,
        run: '[ $2 != build_script ] || { trap "exit 1" TERM; echo waiting; while :; do sleep 0.05; done; }',
        onHook: (hook, control) => hook.name === 'run-build_script' && control.interrupt(),
      });
      expect(order(job).slice(-2)).toEqual(['run-build_script', 'cleanup']);
      expect(job.outcome).toMatchObject({ state: 'failed', failureReason: reason, canceled: false });
    },
  );

  test('RUNNER_SCRIPT_TIMEOUT ends the script, and leaves time for after_script', async () => {
    const job = await runScripted(
      payload(['x'], {
        steps: [...payload(['x']).steps, afterScript(['y'])],
        variables: [variable('RUNNER_SCRIPT_TIMEOUT', '100ms')],
      }),
      {
        run: '[ $2 != build_script ] || { trap "exit 1" TERM; while :; do sleep 0.05; done; }',
      },
    );
    expect(order(job).slice(-3)).toEqual(['run-after_script', 'run-cleanup_file_variables', 'cleanup']);
    expect(job.outcome.failureReason).toBe('job_execution_timeout');
  });

  test("cleanup speaks to the runner, not to the job, and its failure is nobody's", async () => {
    const job = await runScripted(payload(['x']), { cleanup: 'echo from-cleanup; echo trouble >&2; exit 3' });
    expect(job.cleanupLog).toContain('from-cleanup');
    expect(job.log).not.toMatch(/from-cleanup|trouble/);
    expect(job.outcome.state).toBe('success');
  });

  test('secrets are masked, also where they come in two pieces', async () => {
    const job = await runScripted(
      payload(['x'], { variables: [variable('SECRET', 'correct-horse', { masked: true })] }),
      {
        prepare: 'printf "a correct-"; sleep 0.1; printf "horse b\\n"; echo correct-hat',
      },
    );
    expect(job.log).toContain('a [MASKED] b\n');
    expect(job.log).toContain('correct-hat\n');
  });

  test("what a hook inherits is the runner's environment; the contract's own variables win", async () => {
    const job = await runScripted(payload(['x']), {
      environment: { FROM_RUNNER: 'yes', BUILD_FAILURE_EXIT_CODE: '9' },
    });
    expect(job.hooks[1]?.env).toMatchObject({ FROM_RUNNER: 'yes', BUILD_FAILURE_EXIT_CODE: '1' });
  });

  test('a hook that is not there is a system failure that says so', async () => {
    const job = await runScripted(payload(['x']), { prepareCommand: ['/nowhere/prepare'] });
    expect(lastLine(job)).toContain('failed to start command: spawn /nowhere/prepare ENOENT');
  });
});
