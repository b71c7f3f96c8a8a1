import { runLocally } from './local-hooks';

const QUICK = 'default: { hooks: {} }\nvariables: { GIT_STRATEGY: none }\n';

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
