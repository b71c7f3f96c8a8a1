import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { realRunner, runPipeline, standInRunner } from '../../sandbox/runner/run-pipeline';
import { builtHooks, programOn } from '../../sandbox/start';
import { Ledger } from '../../src/billing/ledger';
import { repositoryWith, World } from '../support/world';

/** A job that says it is another one, with the real gitlab-runner where it is on PATH. */
jest.setTimeout(180_000);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

const FIRST_ID = 71_000;

test('a job’s variables make it nobody else: not in records, ledger, stack or profile', async () => {
  const yaml = [
    'attack:',
    '  variables:',
    '    CI_JOB_ID: "1"',
    '    CI_PROJECT_ID: "1"',
    '    CI_PROJECT_PATH: ml/secret',
    '    CI_SERVER_URL: http://127.0.0.1:9',
    '    CI_JOB_TIMEOUT: "2678400"',
    '    CI_COMMIT_REF_PROTECTED: "true"',
    '    GITLAB_SPOT_JOB: "{}"',
    '    GIT_STRATEGY: none',
    '  script:',
    '    - echo the script ran',
  ].join('\n');
  const repository = repositoryWith({ '.gitlab-ci.yml': yaml });
  const program = programOn(process.env.PATH ?? '', 'gitlab-runner');
  const common = { hooks: builtHooks(), environment: world.environment(), concurrency: 1 };
  const directory = mkdtempSync(path.join(world.sandbox.directory, 'gitlab-runner-'));
  const runner = program
    ? realRunner({ ...common, program, directory, gracefulKillSeconds: 60 })
    : standInRunner({ ...common, limits: { retryPauseMs: 50 } });
  const { jobs } = await runPipeline({ repository, firstJobId: FIRST_ID, variables: {} }, runner);
  rmSync(repository, { recursive: true });
  expect(jobs.map(({ state, log }) => `${state} ${log}`)).toEqual([
    expect.stringMatching(/^success .*the script ran/s),
  ]);
  expect(await world.gitlabSpot(['drain', '--wait', '60s'])).toMatchObject({ exitCode: 0 });
  const ledger = new Ledger(path.join(world.sandbox.directory, 'state', 'ledger'));
  const { entries } = await ledger.entries({ from: '2000-01-01', to: '2999-12-31' });
  expect(entries.map(({ jobId }) => jobId)).toEqual([FIRST_ID]);
  expect(JSON.stringify(entries)).not.toMatch(/ml\/secret|127\.0\.0\.1:9"/);
  expect(await world.leftovers()).toEqual([]);
});
