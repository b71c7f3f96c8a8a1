import { Jobs, type Job, type JobReport } from '../../../../sandbox/runner/gitlab/jobs';
import { PipelineRun } from '../../../../sandbox/runner/gitlab/pipeline-run';
import type { JobPayload } from '../../../../sandbox/runner/payload';
import { read } from './reading';

/**
 * What becomes of a pipeline's jobs at a runner that does nothing but end them: by `exit N` in their
 * script, or as `first` says.
 */
async function statesOf(config: string, first: readonly JobReport[] = []) {
  const pipeline = read(config);
  const jobs = new Jobs(1, () => 0);
  const reports = [...first];
  const endOf = (job: Job): JobReport => {
    const { script } = pipeline.jobs.find(({ name }) => name === job.payload.job_info.name)!;
    const exit = /exit (\d+)/.exec(script.join('\n'));
    if (!exit) return { state: 'success' };
    return { state: 'failed', failureReason: 'script_failure', exitCode: Number(exit[1]) };
  };
  jobs.on('pending', () =>
    setImmediate(() => {
      const job = jobs.take();
      job?.finish(reports.shift() ?? endOf(job));
    }),
  );
  const run = new PipelineRun({
    pipeline,
    jobs,
    submit: ({ name }) => Promise.resolve(jobs.add({ id: jobs.newId(), token: '', job_info: { name } } as JobPayload)),
    onState: () => undefined,
    delay: () => Promise.resolve(),
  });
  const result = await run.run();
  return Object.fromEntries(
    result.jobs.map((job) => [job.name, job.attempts > 1 ? `${job.state} after ${job.attempts}` : job.state]),
  );
}

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
  expect(await statesOf(config)).toEqual(expected);
});

test('a system failure is retried when retry says so, and works the second time', async () => {
  const config = 'job: { script: [x=1], retry: { max: 1, when: [runner_system_failure] } }';
  const first: JobReport = { state: 'failed', failureReason: 'runner_system_failure' };
  expect(await statesOf(config, [first])).toEqual({ job: 'success after 2' });
});
