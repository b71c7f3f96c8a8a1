/** `npm run demo`: a pipeline through the real hooks, in a sandbox, without an account. */
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { polite, runMain } from './command-line';
import { FAULTS } from './demo/faults';
import { runDemo } from './demo/run-demo';

async function main(): Promise<number> {
  const options = await polite(yargs(hideBin(process.argv)), 'npm run demo -- --help')
    .scriptName('npm run demo --')
    .usage(
      '$0 [options]\n\nRuns a pipeline: each job on an instance of its own in a simulated cloud, through the same hooks that a runner calls.',
    )
    .option('repo', {
      type: 'string',
      describe: 'folder or URL of a git repository with a .gitlab-ci.yml; left out: a small program of our own',
    })
    .option('job', { type: 'string', array: true, describe: 'only this job (may be given more than once)' })
    .option('ref', { type: 'string', describe: "branch or tag; left out: the repository's own HEAD" })
    .option('merge-request', {
      type: 'boolean',
      default: false,
      describe: 'a pipeline as of a merge request of that branch into the default branch',
    })
    .option('variable', {
      type: 'string',
      array: true,
      default: [],
      describe: 'KEY=VALUE for the pipeline (may be given more than once)',
      coerce: variables,
    })
    .option('images', {
      choices: ['auto', 'run', 'skip'] as const,
      default: 'auto' as const,
      describe: 'image: and services: of jobs; auto: run where docker works on this machine, else skip',
    })
    .option('fault', {
      choices: FAULTS,
      describe: 'a job of its own, to which this is done: what came of it is said at the end',
      conflicts: ['repo', 'job', 'ref'],
    })
    .option('concurrency', { type: 'number', default: 4, describe: 'jobs side by side' })
    .option('verbose', {
      type: 'boolean',
      default: false,
      describe: "every job's log line by line as it comes, and the runner's own log",
    })
    .option('json', {
      type: 'boolean',
      default: false,
      describe: 'the result as JSON on standard output; progress goes to standard error',
    })
    .option('keep', { type: 'boolean', default: false, describe: "keeps the sandbox's folder (state, backend, logs)" })
    .option('real', {
      type: 'boolean',
      default: false,
      describe: 'real programs found on PATH (pulumi, its provider) instead of the stand-ins',
    })
    .example('$0', 'our own small pipeline')
    .example('$0 --repo ../my-project --job test', 'one job of another repository, as of its last commit')
    .example('$0 --fault reclaim', 'the cloud takes a spot instance back while its job runs')
    .check(({ concurrency }) => {
      if (!Number.isInteger(concurrency) || concurrency < 1)
        throw new Error('--concurrency should be a whole number from 1 on');
      return true;
    })
    .strict()
    .parserConfiguration({ 'greedy-arrays': false })
    .parseAsync();
  const {
    repo,
    job: jobs,
    ref,
    mergeRequest,
    variable,
    images,
    concurrency,
    verbose,
    json,
    keep,
    real,
    fault,
  } = options;
  const progress = json ? process.stderr : process.stdout;
  return runDemo(
    { repo, jobs, ref, mergeRequest, variables: variable, images, concurrency, verbose, json, keep, real, fault },
    process.stdout,
    progress,
  );
}

function variables(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new Error(`--variable ${pair}: should look like KEY=VALUE`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

runMain('demo', main);
