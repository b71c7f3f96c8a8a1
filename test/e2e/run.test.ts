import { existsSync, readFileSync } from 'node:fs';
import { startFaultProxy } from '../support/ssh/fault-proxy';
import { exitCodeIn, prepareJob, type PreparedJob } from '../support/ssh/run-hook';
import { describeEachServer, startServer, type TestServer } from '../support/ssh/servers';
import { describeWithFixtures } from '../support/fixtures';
import { readRecording } from '../support/recordings';
import { jobPayload, RUNNER_VERSIONS } from '../support/runner-facts';
import { standInScript } from '../support/runner-scripts';

describeEachServer('the run hook over', (kind) => {
  let server: TestServer;
  let job: PreparedJob;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());
  beforeEach(() => (job = prepareJob(server.target)));
  afterEach(() => job.remove());

  it('prints the stage’s output and nothing else, and exits 0', async () => {
    const { code, stdout, stderr } = await job.run('echo out; echo err >&2').ended;
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({ code: 0, stdout: 'out\nerr\n', stderr: '' });
    expect(existsSync(job.exitCodeFile)).toBe(false);
  });

  it.each([1, 2, 42, 255])(
    'hands the script’s exit status %i over, and fails as the job’s own failure',
    async (status) => {
      const { code, stderr } = await job.run(`exit ${status}`).ended;
      expect({ code, stderr, file: exitCodeIn(job.exitCodeFile) }).toEqual({
        code: 1,
        stderr: '',
        file: `${status}\n`,
      });
    },
  );

  it('replaces an exit status that an earlier stage has left', async () => {
    await job.run('exit 42').ended;
    await job.run('exit 7', { stage: 'after_script' }).ended;
    expect(exitCodeIn(job.exitCodeFile)).toBe('7\n');
    expect(job.record().stages.map(({ stage, exitCode }) => [stage, exitCode])).toEqual([
      ['build_script', 42],
      ['after_script', 7],
    ]);
  });

  it('does without BUILD_EXIT_CODE_FILE, as before 17.x', async () => {
    const { code } = await job.run('exit 42', { env: { BUILD_EXIT_CODE_FILE: undefined } }).ended;
    expect(code).toBe(1);
  });

  it('gives the script nothing of the host’s environment', async () => {
    const { stdout } = await job.run('env').ended;
    expect(stdout.toString()).not.toMatch(/HOST_SECRET|ALICLOUD|GITLAB_SPOT_|CUSTOM_ENV|SSH_C/);
  });

  it('SIGTERM ends the stage on the instance, and the next stage runs', async () => {
    const stage = job.run('cd; echo $$ >script.pid; echo started; while :; do sleep 0.1; done');
    await stage.prints('started');
    stage.process.kill('SIGTERM');
    const { code } = await stage.ended;
    expect(code).toBe(1);
    expect(exitCodeIn(job.exitCodeFile)).toBe('143\n');
    const pid = readFileSync(`${server.home}/script.pid`, 'utf8').trim();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    await expect(job.run('echo after', { stage: 'after_script' }).ended).resolves.toMatchObject({ code: 0 });
  });

  it('a machine that is lost is a system failure in one sentence, told once, remembered, and fails later stages at once', async () => {
    const proxy = await startFaultProxy(server.target);
    const lost = prepareJob(proxy.target, { GITLAB_SPOT_RECONNECT_TIMEOUT: '1' });
    const stage = lost.run('echo started; sleep 20');
    await stage.prints('started');
    proxy.refuse(true);
    proxy.cut();
    const { code, stderr } = await stage.ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/The instance i-test can't be reached any more/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    const again = await lost.run('echo never', { stage: 'after_script' }).ended;
    expect({ code: again.code, stdout: again.stdout.toString(), stderr: again.stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: '',
    });
    lost.remove();
    await proxy.stop();
  });

  it('100 MB arrive complete, and the hook’s memory doesn’t grow with them', async () => {
    const size = 100 * 1024 * 1024;
    const peak = { first: 0, last: 0 };
    const stage = job.run(`head -c ${size} /dev/zero`);
    const rss = (): number =>
      Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${stage.process.pid}/status`, 'utf8'))?.[1]) / 1024;
    let received = 0;
    stage.process.stdout!.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (peak.first === 0 && received > size / 5) peak.first = rss();
      if (received > size * 0.95 && peak.last === 0) peak.last = rss();
    });
    const { code, stdout } = await stage.ended;
    expect({ code, bytes: stdout.length }).toEqual({ code: 0, bytes: size });
    expect(peak.last - peak.first).toBeLessThan(40);
  });
});

const SCRIPTS = [
  ['build_script', 42],
  ['after_script', 0],
  ['prepare_script', 0],
] as const;

/**
 * The script of a stage, run as the hook is told to, in a checkout as get_sources would have left
 * it.
 */
async function expectStatus(stage: string, script: (home: string) => string, status: number): Promise<void> {
  const server = await startServer('ssh2');
  const job = prepareJob(server.target);
  try {
    await job.run(`mkdir -p ${server.home}/builds/root/demo`).ended;
    const { code } = await job.run(script(server.home), { stage }).ended;
    expect(code).toBe(status === 0 ? 0 : 1);
    if (status !== 0) expect(exitCodeIn(job.exitCodeFile)).toBe(`${status}\n`);
  } finally {
    job.remove();
    await server.stop();
  }
}

describe.each(Object.entries(RUNNER_VERSIONS))('scripts as gitlab-runner %s writes them', (_version, version) => {
  it.each(SCRIPTS)('%s ends with %i', (stage, status) =>
    expectStatus(
      stage,
      (home) =>
        standInScript(
          stage,
          jobPayload('exit-42-after-script'),
          { buildsDir: `${home}/builds`, cacheDir: `${home}/cache`, projectDir: `${home}/builds/root/demo` },
          { version },
        ) ?? 'missing',
      status,
    ),
  );
});

describeWithFixtures('scripts that real runners handed over', 'gitlab-runner', () => {
  it.each(
    Object.keys(RUNNER_VERSIONS).flatMap((version) =>
      SCRIPTS.map(([stage, status]) => [version, stage, status] as const),
    ),
  )('%s %s ends with %i', (version, stage, status) => {
    const recorded = readRecording(version, '02-exit-42-after-script').calls.find(
      (call) => call.stage === stage,
    )?.script;
    return expectStatus(stage, (home) => recorded!.replaceAll('/builds', `${home}/builds`), status);
  });
});
