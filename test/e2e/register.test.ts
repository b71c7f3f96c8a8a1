import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'smol-toml';
import { ACCESS_TOKEN, Project, RUNNER_TOKEN } from '../../sandbox/runner/run-pipeline';
import { makeRepository } from '../sandbox/runner/local-hooks';
import { gitlabSpot } from '../support/cli';
import { readOnlyFolder, withoutReadOnly } from '../support/mounts';
import { testUnless } from '../support/skip';
import { runTool, without } from '../support/tools';

/** `gitlab-spot register`, against GitLab's own API as the sandbox has it. */
let directory: string;
let config: string;
let project: Project;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'register-'));
  config = path.join(directory, 'config.toml');
  project = await Project.open({
    repository: await makeRepository(directory, { '.gitlab-ci.yml': 'job: { script: x }' }),
  });
});
afterAll(async () => {
  await project.close();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => writeFileSync(config, '# kept\nlog_level = "warning"\n'));

const register = (args: readonly string[], input = '', change: Record<string, string> = {}) =>
  gitlabSpot(
    ['register', '--config', config, '--url', project.gitlab.url, ...args],
    { PATH: process.env.PATH, HOME: directory, GITLAB_SPOT_STATE_DIR: path.join(directory, 'state'), ...change },
    input,
  );
const written = () => readFileSync(config, 'utf8');

it('takes a runner that was made in GitLab, and writes a private file', async () => {
  const result = await register(['--token-file', '-', '--clone-url', 'http://10.0.0.5:8668'], RUNNER_TOKEN);
  expect(result).toMatchObject({ exitCode: 0, stdout: '' });
  expect(statSync(config).mode & 0o777).toBe(0o600);
  expect(written()).toMatch(/^# kept\nlog_level = "warning"\n/);
  const section = { token: RUNNER_TOKEN, clone_url: 'http://10.0.0.5:8668', custom: { graceful_kill_timeout: 240 } };
  // Every 200 ms: gitlab-runner asks once a second for each.
  expect(parse(written())).toMatchObject({
    runners: ['', ' (2)', ' (3)', ' (4)', ' (5)'].map((which) => ({ ...section, name: `gitlab-spot${which}` })),
  });
  expect(result.stderr).not.toContain(RUNNER_TOKEN);
});

it('has GitLab make the runner, once', async () => {
  const environment = { GITLAB_SPOT_ACCESS_TOKEN: ACCESS_TOKEN };
  expect((await register(['--create'], '', environment)).stderr).toContain('was made at');
  const before = written();
  expect((await register(['--create'], '', environment)).stderr).toContain('is still known at');
  expect(written()).toBe(before);
});

it('writes as many sections as the check interval needs, and no more when it is longer again', async () => {
  const names = () => (parse(written()) as { runners: { name: string }[] }).runners.map(({ name }) => name);
  await register(['--token-file', '-', '--check-interval', '1s'], RUNNER_TOKEN);
  const once = written();
  expect(names()).toEqual(['gitlab-spot']);
  await register(['--check-interval', '500ms']);
  expect(names()).toEqual(['gitlab-spot', 'gitlab-spot (2)']);
  expect((await register(['--check-interval', '500ms'])).stderr).toContain('nothing was to be changed');
  await register([]);
  expect(names()).toHaveLength(5);
  await register(['--check-interval', '1s']);
  expect(written()).toBe(once);
});

it('prints the file without its secrets, and writes nothing, with --dry-run', async () => {
  const result = await register(['--token-file', '-', '--dry-run'], RUNNER_TOKEN);
  expect(result.stdout.match(/token = "…"/g)).toHaveLength(5);
  expect(result.stdout).not.toContain(RUNNER_TOKEN);
  expect(written()).toBe('# kept\nlog_level = "warning"\n');
});

it.each<[string, string[], string, string]>([
  ['a token that GitLab does not know', ['--token-file', '-'], 'glrt-wrong', 'does not know this runner token'],
  [
    'an access token without rights',
    ['--create', '--access-token-file', '-'],
    'glpat-x',
    'does not let this access token create a runner',
  ],
  [
    'a GitLab that does not answer',
    ['--url', 'http://127.0.0.1:9', '--token-file', '-'],
    'glrt-x',
    'GitLab at http://127.0.0.1:9 does not answer',
  ],
  ['no token', [], '', 'There is no runner token (glrt-…)'],
  [
    'a check interval that no number of sections makes',
    ['--check-interval', '50ms', '--token-file', '-'],
    'glrt-x',
    '--check-interval takes a duration between 100ms and 1s, not "50ms"',
  ],
  ['an address that is none', ['--clone-url', 'gitlab', '--token-file', '-'], 'glrt-x', '--clone-url must be a URL'],
  ['a bucket without keys', ['--cache-bucket', 'ci', '--token-file', '-'], RUNNER_TOKEN, 'needs an access key'],
])('refuses %s in one sentence, and writes nothing', async (_what, args, input, sentence) => {
  const result = await gitlabSpot(
    ['register', '--config', config, ...(args.includes('--url') ? [] : ['--url', project.gitlab.url]), ...args],
    { PATH: process.env.PATH, HOME: directory },
    input,
  );
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toContain(sentence);
  expect(result.stderr.trim().split('\n')).toHaveLength(1);
  expect(written()).toBe('# kept\nlog_level = "warning"\n');
});

testUnless(withoutReadOnly(), 'has no runner made whose token it could not keep', async () => {
  const place = readOnlyFolder();
  try {
    const file = path.join(place.folder, 'config.toml');
    const result = await gitlabSpot(['register', '--create', '--config', file, '--url', project.gitlab.url], {
      PATH: process.env.PATH,
      HOME: directory,
      GITLAB_SPOT_ACCESS_TOKEN: 'glpat-wrong',
    });
    // The token is not tried: no runner would have come of it.
    expect(result.stderr).toMatch(/^gitlab-spot: \S+config\.toml can't be written \(E\w+\)\. Run the command as .*\n$/);
    expect(result.exitCode).toBe(1);
  } finally {
    place.remove();
  }
});

testUnless(without('gitlab-runner'), 'writes what gitlab-runner itself takes', async () => {
  await register(['--token-file', '-'], RUNNER_TOKEN);
  const verify = runTool('gitlab-runner', ['list', '--config', config], { cwd: directory });
  expect(verify.exitCode).toBe(0);
  expect(verify.stdout + verify.stderr).toMatch(/gitlab-spot .*custom/);
});
