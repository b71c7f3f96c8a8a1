import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Jobs } from '../../sandbox/runner/gitlab/jobs';
import { startGitLab, type GitLabServer } from '../../sandbox/runner/gitlab/server';
import { zip } from '../../sandbox/runner/helper/zip';
import type { JobPayload } from '../../sandbox/runner/payload';
import { builtHooks } from '../../sandbox/start';
import { describeWithFixtures, fixture, fixturePath } from '../support/fixtures';
import {
  RECORDED_VERSIONS,
  readRecording,
  recordingNames,
  stageOutputs,
  type RecordedCall,
} from '../support/recordings';
import { startHook } from '../support/ssh/run-hook';
import { readable, repositoryWith, World } from '../support/world';

/**
 * Every hook call that real runners recorded, with its environment, script and place in the order,
 * through the built hooks: one test a job. What differs from the recording machine is put in its
 * place: folders, GitLab's address, the commit.
 */
jest.setTimeout(120_000);

const RECORDED_GITLAB = '127.0.0.1:8929';
const RECORDED_COMMIT = '360d664fad7b49c84bbb4a8c5f4bf3b1995db415';

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

for (const version of RECORDED_VERSIONS) {
  describeWithFixtures(`the hooks, called as gitlab-runner ${version} did`, `gitlab-runner/${version}`, () => {
    let world: World;
    let gitlab: GitLabServer;
    let folder: string;
    let commit: string;

    beforeAll(async () => {
      folder = mkdtempSync(path.join(tmpdir(), 'recorded-'));
      commit = demoRepository(path.join(folder, 'repositories'));
      gitlab = await startGitLab({
        jobs: await recordedJobs(folder),
        repositories: path.join(folder, 'repositories'),
        projectId: 42,
        projectPath: 'root/demo',
        ref: () => 'main',
        runnerToken: 'unused',
        accessToken: 'unused',
        retry: () => Promise.resolve(undefined),
      });
      world = await World.start({ programs: { docker: 'stand-in' } });
    });
    afterAll(async () => {
      await world.close();
      await gitlab.close();
      rmSync(folder, { recursive: true, force: true });
    });

    test.each(recordingNames(version))('%s: exit codes, output and order', async (name) => {
      const { calls, trace } = readRecording(version, name);
      const prepareFails = calls.some(({ hook, exit }) => hook === 'prepare' && exit !== 0);
      await world.sandbox.control.setBalanceEnough(!prepareFails);
      const job = new Replay(world, gitlab.url, commit, path.join(folder, name));
      const results: { call: RecordedCall; ended: Ended; status: string | undefined }[] = [];
      try {
        for (const call of calls)
          results.push({ call, ended: await job.call(call, `${version}/${name}`), status: job.exitCodeFile() });
      } finally {
        await world.sandbox.control.setBalanceEnough(true);
      }
      const where = ({ hook, stage }: RecordedCall): string => stage ?? hook;
      // What was stopped ends as the script's own failure with the status that a shell gives it,
      // where the recording hook handed 143 on.
      const expectedCode = (call: RecordedCall) => (call.stopped ? 1 : call.exit);
      const seen = results.map(({ call, ended }) =>
        // A wrong one with all that it said.
        ended.code === expectedCode(call) ? [where(call), ended.code] : [where(call), ended.code, ended],
      );
      expect(seen).toEqual(calls.map((call) => [where(call), expectedCode(call)]));
      for (const { call, ended, status } of results) {
        expect([where(call), ended.stderr]).toEqual([
          where(call),
          call.hook === 'prepare' && prepareFails ? expect.stringMatching(/ERROR: .*balance/) : '',
        ]);
        const expected = call.stopped ? 143 : call.scriptExit;
        if (expected !== 0)
          expect([where(call), status]).toEqual([
            where(call),
            'BUILD_EXIT_CODE_FILE' in call.environment ? `${expected}\n` : undefined,
          ]);
      }
      const stages = results.filter(({ call }) => call.hook === 'run');
      expect(
        stages.map(({ call, ended }) => ({
          section: call.stage === 'build_script' ? 'step_script' : call.stage,
          lines: comparable(job.asRecorded(ended.stdout)),
        })),
      ).toEqual(
        stageOutputs(trace).map(({ section, lines }) => ({
          section,
          lines: comparable(job.asRecorded(lines.join('\n'))),
        })),
      );
      // The last stage that the runner calls tells the cost, and so does one that is cut off, which
      // may be the last.
      expect(stages.map(({ ended }) => (readable(ended.stdout).match(/^Cost: /gm) ?? []).length)).toEqual(
        stages.map(({ call }, index) => (call.stopped || index === stages.length - 1 ? 1 : 0)),
      );
    });

    test('and nothing is left', () => world.nothingLeft(60_000));
  });
}

/** One job's hooks, called as recorded. */
class Replay {
  private environment: Record<string, string> = {};
  private buildsDir = '/builds';
  private cacheDir = '/cache';

  constructor(
    private readonly world: World,
    private readonly url: string,
    private readonly commit: string,
    private readonly tmpDir: string,
  ) {}

  exitCodeFile(): string | undefined {
    const file = path.join(this.tmpDir, 'build_exit_code');
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  }

  async call(call: RecordedCall, recording: string): Promise<Ended> {
    // A fresh one for each attempt of prepare.
    if (call.hook === 'config') rmSync(this.tmpDir, { recursive: true, force: true });
    mkdirSync(this.tmpDir, { recursive: true });
    writeFileSync(
      path.join(this.tmpDir, 'response.json'),
      this.here(fixture(`gitlab-runner/${recording}/job-response.json`)),
    );
    const { SPOT_FROM_CONFIG: handedOn, ...recorded } = call.environment;
    const own = Object.entries(recorded).map(([name, value]) => [name, this.here(value)] as const);
    const environment = this.world.environment({
      ...Object.fromEntries(own),
      ...(handedOn === undefined ? {} : this.environment),
    });
    const args = [...builtHooks()[call.hook]];
    if (call.script !== undefined) {
      const file = path.join(mkdtempSync(path.join(this.tmpDir, 'script')), 'script.');
      writeFileSync(file, this.here(call.script), { mode: 0o700 });
      args.push(file, call.stage ?? '');
    }
    const hook = startHook(args, environment);
    // SIGTERM to the whole group follows the script's first words.
    if (call.stopped) void hook.prints('$ ').then(() => process.kill(-hook.process.pid!, 'SIGTERM'));
    const { code, stdout, stderr } = await hook.ended;
    if (call.hook === 'config') this.follow(stdout.toString());
    return { code, stdout: stdout.toString(), stderr };
  }

  /** What config answers is where the later hooks and their scripts find themselves. */
  private follow(answer: string): void {
    const { builds_dir, cache_dir, job_env } = JSON.parse(answer) as {
      builds_dir: string;
      cache_dir: string;
      job_env: Record<string, string>;
    };
    this.environment = job_env;
    this.buildsDir = builds_dir;
    this.cacheDir = cache_dir;
  }

  private here(text: string): string {
    return text
      .replaceAll('@TMPDIR@', this.tmpDir)
      .replaceAll(RECORDED_GITLAB, new URL(this.url).host)
      .replaceAll(RECORDED_COMMIT, this.commit)
      .replaceAll(/(?<![\w.-])\/builds/g, this.buildsDir)
      .replaceAll(/(?<![\w.-])\/cache(?=\/)/g, this.cacheDir);
  }

  asRecorded(text: string): string {
    return text
      .replaceAll(this.buildsDir, '/builds')
      .replaceAll(this.cacheDir, '/cache')
      .replaceAll(new URL(this.url).host, RECORDED_GITLAB)
      .replaceAll(this.commit.slice(0, 8), RECORDED_COMMIT.slice(0, 8));
  }
}

/**
 * Without what is another at each run: ids, hosts, times, how far a script had come when it was
 * stopped, and our lines about cost and use.
 */
function comparable(text: string): string[] {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/Gitaly correlation ID: \w+/, 'Gitaly correlation ID: …')
        .replace(/Running on \S+ via \S+\.\.\.$/, 'Running on … via …')
        // A message of the helper's is padded; the fields behind it are its own affair.
        .replace(/(?: {2,}\u001b\[0;m|\u001b\[0;m {2}).*$/, '')
        .trimEnd(),
    )
    .filter(
      (line) => !/^(Terminated|tick \d+|Cost: .*|Used, as the instance says: .*|Runtime platform .*|)$/.test(line),
    );
}

/** The repository of the recording as far as its scripts need it. @returns the commit */
function demoRepository(root: string): string {
  const work = repositoryWith({
    'README.md': '# demo\n',
    'src/Hello.java': 'class Hello {}\n',
    '.gitlab-ci.yml': 'build: { script: [echo] }\n',
  });
  const target = path.join(root, 'root', 'demo.git');
  mkdirSync(path.dirname(target), { recursive: true });
  const git = (...args: string[]) =>
    execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  git('clone', '-q', '--bare', work, target);
  git('-C', target, 'config', 'uploadpack.allowReachableSHA1InWant', 'true');
  rmSync(work, { recursive: true, force: true });
  return git('-C', target, 'rev-parse', 'main').trim();
}

/** GitLab knows the recorded jobs, and the first one left an archive. */
async function recordedJobs(folder: string): Promise<Jobs> {
  const jobs = new Jobs(1, Date.now);
  const names = recordingNames('19.3.0');
  for (const name of names) {
    const payload = JSON.parse(readFileSync(fixturePath(`gitlab-runner/jobs/${name}.json`), 'utf8')) as JobPayload;
    jobs.add(payload).start();
  }
  const root = path.join(folder, 'archive');
  mkdirSync(path.join(root, 'out'), { recursive: true });
  writeFileSync(path.join(root, 'out', 'from-build'), 'artifact\n');
  const first = jobs.get(1001);
  if (first) first.archive = { filename: 'out.zip', content: await zip(root, ['out', 'out/from-build']) };
  return jobs;
}
