import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { realRunner } from '../../../sandbox/runner/run-pipeline';
import { programOn } from '../../../sandbox/start';
import { logText } from '../../../sandbox/demo/log-text';
import { describeUnless } from '../../support/skip';
import { plain, runLocally, VARIABLES, type LocalOptions } from './local-hooks';

/**
 * A real gitlab-runner on PATH takes the same jobs from the same GitLab: both must agree on what
 * came of them.
 */
const program = programOn(process.env['PATH'] ?? '', 'gitlab-runner');

async function withReal(options: LocalOptions) {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'real-runner-'));
  try {
    return await runLocally({
      ...options,
      startRunner: ({ hooks, environment, concurrency }) =>
        realRunner({ hooks, environment, concurrency, program: program ?? '', directory, gracefulKillSeconds: 30 }),
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const outcomes = (run: Awaited<ReturnType<typeof runLocally>>) =>
  run.result.jobs.map(({ name, state, exitCode, failureReason, attempts, allowFailure }) => ({
    name,
    state,
    exitCode,
    failureReason,
    attempts,
    allowFailure,
  }));

/**
 * What the script itself said, and the runner's own coloured lines, without what differs between
 * two runs.
 */
function story(log: string): string[] {
  return logText(log, false)
    .replace(/\/tmp\/local-hooks-\w+/g, 'DIR')
    .split('\n')
    .filter(
      (line) =>
        !/Gitaly correlation|Runtime platform|system ID|Running with|^Running on|coordinator|found \d+ matching|WARNING: Starting|^Terminated/.test(
          line,
        ),
    )
    .map((line) => line.replace(/\d+(\.\d+)? ?s\b/, 'S').trimEnd())
    .filter((line) => line !== '');
}

describeUnless(
  program ? undefined : "gitlab-runner isn't installed",
  'the stand-in agrees with a real gitlab-runner',
  () => {
    const files = {
      '.gitlab-ci.yml': `
stages: [build, test]
variables: { GREETING: "hello $CI_COMMIT_REF_NAME" }
build:
  stage: build
  script:
    - mkdir -p out .cache
    - echo "$GREETING" > out/greeting.txt
    - |
      echo several
      echo lines
  artifacts: { paths: [out/, nothing/], exclude: ["out/*.log"], expire_in: 1 day }
  cache: { key: k, paths: [.cache/] }
test:
  stage: test
  needs: [build]
  cache: { key: k, paths: [.cache/], policy: pull }
  script: [cat out/greeting.txt, exit 42]
  after_script: ['echo "after $CI_JOB_STATUS"']
  retry: 1
allowed: { stage: test, needs: [], script: [exit 3], allow_failure: { exit_codes: [3] }, variables: { GIT_STRATEGY: none } }
`,
    };

    test('on states, exit codes, attempts, and on every line of the logs', async () => {
      const real = await withReal({ files });
      const ours = await runLocally({ files });
      expect(outcomes(ours)).toEqual(outcomes(real));
      for (const [index, job] of real.result.jobs.entries())
        expect({ job: job.name, log: story(ours.result.jobs[index]?.log ?? '') }).toEqual({
          job: job.name,
          log: story(job.log),
        });
    });

    test('on what variables say about clone, shell and names', async () => {
      const real = await withReal(VARIABLES);
      const ours = await runLocally(VARIABLES);
      expect(outcomes(ours)).toEqual(outcomes(real));
      const said = (run: typeof ours) =>
        run.result.jobs.map(({ log }) =>
          plain(log)
            .split('\n')
            .map((line) => line.replace(/^\S+Z \d\d[OE][+ ]?/, ''))
            .filter((line) => /^(in|tags|slug|image)\b|^went on|^\++ echo 'number/.test(line))
            .map((line) => line.replace(/^in \d+/, 'in ID')),
        );
      expect(said(ours)).toEqual(said(real));
    });

    test('on a cancel while the script runs', async () => {
      const config = {
        '.gitlab-ci.yml': `job: { script: [echo started, 'for i in $(seq 300); do sleep 0.2; done'], after_script: [echo bye] }`,
      };
      const cancelling = {
        files: config,
        onEvent: (event: { type: string; text?: string }, project: { cancel(): void }) => {
          if (event.type === 'log' && /\nstarted|O started/.test(event.text ?? '')) project.cancel();
        },
      };
      const real = await withReal(cancelling);
      const ours = await runLocally(cancelling);
      expect(outcomes(ours)).toEqual(outcomes(real));
      expect(story(ours.result.jobs[0]?.log ?? '')).toEqual(story(real.result.jobs[0]?.log ?? ''));
    });

    test('on a prepare that fails as a system failure', async () => {
      const failing = { files: { '.gitlab-ci.yml': 'job: { script: [echo x] }' }, before: { prepare: 'exit 2' } };
      const real = await withReal(failing);
      const ours = await runLocally({ ...failing, runner: { limits: { retryPauseMs: 3000 } } });
      expect(outcomes(ours)).toEqual(outcomes(real));
      expect(story(ours.result.jobs[0]?.log ?? '')).toEqual(story(real.result.jobs[0]?.log ?? ''));
    });
  },
);
