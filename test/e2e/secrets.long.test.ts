import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProcessWatch, type SeenProcess } from '../support/process-watch';
import { World } from '../support/world';

/**
 * Whole jobs with a canary for each secret, and a look at every place where it must not be: while
 * they run, and after.
 */
jest.setTimeout(180_000);

const canary = (name: string): string => `canary-${name}-${randomBytes(9).toString('hex')}`;

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

/**
 * Files below a folder that hold the text, binary ones too; those of the named folders left out.
 */
function filesWith(text: string, folder: string, leftOut: readonly string[] = []): string[] {
  if (!existsSync(folder)) return [];
  try {
    const excluded = leftOut.map((name) => `--exclude-dir=${name}`);
    return execFileSync('grep', ['-rlaF', ...excluded, '-e', text, folder], { encoding: 'utf8' })
      .trim()
      .split('\n');
  } catch {
    return [];
  }
}

const programOf = ({ argv }: SeenProcess): string =>
  /dist\/executor\/(config|prepare|run|cleanup|destroyer)\.js/.exec(argv)?.[1] ??
  (/pulumi-resource-/.test(argv) ? 'provider' : /(^|\/)pulumi(\.js)?\0/.test(argv) ? 'pulumi' : 'other');

/** On the instance, in the runner's own scripts: the clone URL with the job's token. */
const isGitOfTheJob = ({ argv }: SeenProcess): boolean => /\/git-core\/git|^git\0/.test(argv);

/**
 * A hook's compiled program has the words, too, as it has in dist/; and keys that no job has yet lie
 * in a folder of their own.
 */
const privateKeysIn = (place: string): string[] =>
  filesWith('PRIVATE KEY', place).filter((file) => !/\/node-cache\/[\w.-]+$|\/state\/keys\/[0-9a-f]{16}$/.test(file));

test('no secret is where it is not needed: argv, environments, state, logs, records, ledger, instance', async () => {
  const { directory, environment } = world.sandbox;
  const inside = (...names: string[]) => path.join(directory, ...names);
  const gitlabToken = canary('gitlab-token');
  const secrets = {
    passphrase: readFileSync(inside('passphrase'), 'utf8').trim(),
    secretKey: environment.ALICLOUD_SECRET_KEY,
  };
  const jobs = ['first', 'second'].map((name) => ({
    name,
    variable: canary(`variable-of-${name}`),
    token: inside('cache', `token-of-${name}`),
  }));
  const mayEnd = inside('cache', 'jobs-may-end');
  const yaml = jobs
    .map(({ name, variable, token }) =>
      [
        `${name}:`,
        `  variables: { OF_THE_JOB: ${variable} }`,
        `  script:`,
        `    - printf %s "$CI_JOB_TOKEN" > ${token}`,
        `    - until [ -e ${mayEnd} ]; do sleep 0.2; done`,
      ].join('\n'),
    )
    .join('\n');

  const watch = new ProcessWatch();
  const pipeline = world.pipeline(yaml, { concurrency: 2, environment: { GITLAB_SPOT_GITLAB_TOKEN: gitlabToken } });
  let whileTheyRun: Record<string, string[]>;
  let tokens: string[];
  try {
    while (!jobs.every(({ token }) => existsSync(token))) await sleep(50);
    tokens = jobs.map(({ token }) => readFileSync(token, 'utf8'));
    whileTheyRun = {
      // The instance knows its own job's secrets, and nothing of the host.
      hostSecretsOnInstances: [secrets.secretKey, secrets.passphrase, gitlabToken].flatMap((one) =>
        filesWith(one, inside('cloud', 'instances')),
      ),
      otherJobOnInstances: instancesOf(inside('cloud', 'instances')).filter((folder) =>
        jobs.every(({ variable }) => filesWith(variable, folder).length > 0),
      ),
      // On the host nothing of a job but its key, which only its owner may read.
      jobSecretsOnHost: [...jobs.map(({ variable }) => variable), ...tokens].flatMap((one) =>
        hostPlaces(inside).flatMap((place) => filesWith(one, place)),
      ),
      hostSecretsInState: [secrets.secretKey, secrets.passphrase, gitlabToken].flatMap((one) =>
        hostPlaces(inside).flatMap((place) => filesWith(one, place)),
      ),
      privateKeys: hostPlaces(inside)
        .flatMap(privateKeysIn)
        .filter((file) => !/\/jobs\/job-[^/]+\/id_ed25519$/.test(file)),
    };
    expect(privateKeysIn(inside('state')).length).toBe(jobs.length);
    // Those that were made ahead.
    const kept = filesWith('PRIVATE KEY', inside('state', 'keys'));
    expect(kept.map((file) => statSync(file).mode & 0o777)).toEqual(kept.map(() => 0o600));
    expect(openFiles(inside('state')).concat(openFiles(inside('backend')))).toEqual([]);
  } finally {
    writeFileSync(mayEnd, '');
  }
  const { jobs: results } = await pipeline;
  await world.nothingLeft();
  const processes = watch.stop();

  expect(results.map(({ state }) => state)).toEqual(['success', 'success']);
  expect(whileTheyRun).toEqual({
    hostSecretsOnInstances: [],
    otherJobOnInstances: [],
    jobSecretsOnHost: [],
    hostSecretsInState: [],
    privateKeys: [],
  });

  const all = [secrets.secretKey, secrets.passphrase, gitlabToken, ...tokens, ...jobs.map(({ variable }) => variable)];
  const after = all.flatMap((one) => hostPlaces(inside).flatMap((place) => filesWith(one, place)));
  expect(after).toEqual([]);
  for (const { log } of results) for (const one of [...all, 'PRIVATE KEY']) expect(log).not.toContain(one);

  const programs = new Set(processes.map(programOf));
  expect([...programs]).toEqual(expect.arrayContaining(['prepare', 'run', 'pulumi', 'provider', 'destroyer']));
  // What every user of the host can read.
  expect(
    all.flatMap((one) =>
      processes
        .filter((seen) => seen.argv.includes(one) && !isGitOfTheJob(seen))
        .map(({ argv }) => argv.replaceAll('\0', ' ')),
    ),
  ).toEqual([]);
  expect(processes.filter(({ argv }) => argv.includes('PRIVATE KEY'))).toEqual([]);
  // What a process of ours has in its environment: its own job's, the host's where it needs them,
  // nothing of another job.
  const holders = (secret: string) =>
    [...new Set(processes.filter(({ environ }) => environ.includes(secret)).map(programOf))].sort();
  // The watch sees what it looks for.
  expect(holders(secrets.secretKey)).toEqual(expect.arrayContaining(['prepare', 'provider', 'pulumi']));
  for (const [index, { variable }] of jobs.entries()) {
    expect(holders(variable)).toEqual(expect.arrayContaining(['prepare', 'run']));
    const withBoth = processes.filter(
      ({ environ }) => environ.includes(variable) && environ.includes(jobs[1 - index]!.variable),
    );
    expect(withBoth.map(programOf)).toEqual([]);
    for (const program of ['pulumi', 'provider', 'destroyer']) {
      expect([program, holders(variable)]).toEqual([program, expect.not.arrayContaining([program])]);
      expect([program, holders(tokens[index]!)]).toEqual([program, expect.not.arrayContaining([program])]);
    }
  }
  for (const program of ['pulumi', 'provider']) expect(holders(gitlabToken)).not.toContain(program);
  expect(holders(secrets.passphrase)).toEqual([]);
  const onInstances = processes.filter(({ environ }) => environ.includes(inside('cloud', 'instances')));
  for (const secret of [secrets.secretKey, gitlabToken])
    expect(onInstances.filter(({ environ }) => environ.includes(secret)).map(({ argv }) => argv)).toEqual([]);
});

/** Where the executor and the engine keep anything. */
function hostPlaces(inside: (...names: string[]) => string): string[] {
  return [inside('state'), inside('backend'), inside('pulumi'), inside('home')];
}

function instancesOf(folder: string): string[] {
  return execFileSync('find', [folder, '-mindepth', '1', '-maxdepth', '1', '-type', 'd'], { encoding: 'utf8' })
    .trim()
    .split('\n');
}

/** Files that others than the owner may read, as may be in a folder that only the owner may enter. */
function openFiles(folder: string): string[] {
  const closed = ['-type', 'd', '!', '-perm', '/077', '-prune'];
  return execFileSync('find', [folder, ...closed, '-o', '-type', 'f', '-perm', '/077', '-print'], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .filter((name) => name !== '');
}
