import { runLocally } from './local-hooks';

async function statesOf(config: string, before?: { run?: string; prepare?: string }) {
  const { result } = await runLocally({ files: { '.gitlab-ci.yml': config }, ...(before ? { before } : {}) });
  return Object.fromEntries(
    result.jobs.map((job) => [job.name, job.attempts > 1 ? `${job.state} after ${job.attempts}` : job.state]),
  );
}

const QUICK = 'default: { hooks: {} }\nvariables: { GIT_STRATEGY: none }\n';

test.each([
  [
    'needs start a job before its stage',
    'stages: [a, b, c]\nfail: { stage: a, script: [exit 1] }\nfree: { stage: c, needs: [], script: [x=1] }\nbound: { stage: b, script: [x=1] }',
    { fail: 'failed', free: 'success', bound: 'skipped' },
  ],
  [
    'a job whose need failed is skipped',
    'stages: [a, b]\nfail: { stage: a, script: [exit 1] }\nnext: { stage: b, needs: [fail], script: [x=1] }',
    { fail: 'failed', next: 'skipped' },
  ],
  [
    'an allowed failure does not stop what needs it',
    'stages: [a, b]\nfail: { stage: a, script: [exit 1], allow_failure: true }\nnext: { stage: b, needs: [fail], script: [x=1] }',
    { fail: 'failed', next: 'success' },
  ],
  [
    'a manual job by its own when holds nobody up',
    'stages: [a, b]\nhand: { stage: a, script: [x=1], when: manual }\nnext: { stage: b, script: [x=1] }',
    { hand: 'manual', next: 'success' },
  ],
  [
    'a manual job by a rule blocks the stages behind it',
    'stages: [a, b]\nhand: { stage: a, script: [x=1], rules: [{ when: manual }] }\nnext: { stage: b, script: [x=1] }',
    { hand: 'manual', next: 'skipped' },
  ],
  [
    'an optional need of a job that is not there',
    'job: { script: [x=1], needs: [{ job: tagged, optional: true }] }\ntagged: { script: [x=1], only: [tags] }',
    { job: 'success' },
  ],
  ['a script failure is retried as often as it says', 'job: { script: [exit 1], retry: 2 }', { job: 'failed after 3' }],
  [
    'retry for another reason does not apply',
    'job: { script: [exit 1], retry: { max: 2, when: runner_system_failure } }',
    { job: 'failed' },
  ],
  ['retry by exit code', 'job: { script: [exit 7], retry: { max: 1, exit_codes: [7] } }', { job: 'failed after 2' }],
  [
    'jobs of a resource group run one after the other',
    'a: { script: [x=1], resource_group: g }\nb: { script: [x=1], resource_group: g }',
    { a: 'success', b: 'success' },
  ],
])('%s', async (_title, config, expected) => {
  expect(await statesOf(QUICK + config)).toEqual(expected);
});

test('a system failure is retried when retry says so, and works the second time', async () => {
  const config = `${QUICK}job: { script: [x=1], retry: { max: 1, when: [runner_system_failure] } }`;
  expect(
    await statesOf(config, { run: '[ $2 != build_script ] || [ -e $HOME/tried ] || { touch $HOME/tried; exit 2; }' }),
  ).toEqual({ job: 'success after 2' });
});

test('no more jobs run side by side than the runner may', async () => {
  let running = 0;
  let most = 0;
  await runLocally({
    files: { '.gitlab-ci.yml': `${QUICK}job: { script: [sleep 0.1], parallel: 5 }` },
    runner: { concurrency: 2 },
    onEvent: (event) => {
      if (event.type !== 'hook') return;
      if (event.hook === 'config' && event.phase === 'start') running += 1;
      if (event.hook === 'cleanup' && event.phase === 'exit') running -= 1;
      most = Math.max(most, running);
    },
  });
  expect(most).toBe(2);
});

test("GitLab hears of a job's end only after its cleanup", async () => {
  const { events } = await runLocally({ files: { '.gitlab-ci.yml': `${QUICK}job: { script: [x=1] }` } });
  const names = events.flatMap((event) =>
    event.type === 'hook' ? [`${event.hook} ${event.phase}`] : event.type === 'job-state' ? [event.state] : [],
  );
  expect(names.slice(-2)).toEqual(['cleanup exit', 'success']);
});

test('a cache that one job saves another one finds', async () => {
  const cached = (script: string) => `{ script: ['${script}'], cache: { key: k, paths: [kept/] } }`;
  const { result } = await runLocally({
    files: {
      '.gitlab-ci.yml': `stages: [a, b]\nsave: { stage: a, ${cached('mkdir kept; echo treasure > kept/file').slice(1)}\nfind: { stage: b, ${cached('cat kept/file').slice(1)}`,
    },
  });
  expect(result.jobs[1]?.log).toContain('treasure\n');
});

test('artifacts of a failed job are uploaded when it says on_failure, without what it excludes', async () => {
  const { result } = await runLocally({
    files: {
      '.gitlab-ci.yml': `
stages: [a, b]
fail: { stage: a, script: ['mkdir out; echo log > out/log; echo big > out/big', exit 1], artifacts: { paths: [out/], exclude: [out/big], when: on_failure } }
look: { stage: b, when: always, script: [ls out] }`,
    },
  });
  expect(result.jobs[1]?.log).toMatch(/\$ ls out\x1b\[0;m\nlog\n/);
});
