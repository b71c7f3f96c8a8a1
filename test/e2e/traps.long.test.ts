import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeEachKind } from '../sandbox/instance/support/kinds';
import { HookedJob } from '../support/hooked-job';
import { imageWith } from '../support/image';
import { readable, World } from '../support/world';

/**
 * What catches every custom executor, through the built hooks; exit codes, output and stages stand
 * in run, job and recorded.
 */
jest.setTimeout(150_000);

describeEachKind('on an instance whose image has no gitlab-runner, and start-up files that print,', (kind) => {
  let world: World;
  beforeAll(async () => {
    const prints = 'for file in .profile .bashrc; do echo "echo Welcome; printf no-newline >&2" >>/root/$file; done';
    world = await World.start({
      programs: { 'gitlab-runner': 'none' },
      startMachine: imageWith(kind, [prints]),
    });
  });
  afterAll(() => world.close());

  const yaml = [
    'fill: { stage: build, script: [mkdir made, echo kept >made/file], cache: { key: k, paths: [made] }, artifacts: { paths: [made] } }',
    'use: { stage: test, script: [cat made/file], needs: [fill] }',
  ].join('\n');

  test('cache and artifacts are not lost: one is installed from the host', async () => {
    // A folder of the job's own choice, before all others on the PATH of its scripts.
    const tools = path.join(world.sandbox.directory, 'cache', 'tools');
    mkdirSync(tools);
    const untracked = [
      'untracked: { stage: .pre, script: [echo kept >untracked], cache: { key: u, untracked: true } }',
      'tracked: { stage: build, script: [cat untracked], cache: { key: u, untracked: true, policy: pull } }',
      `path: { stage: build, variables: { PATH: "${tools}:${path.dirname(process.execPath)}:/usr/bin:/bin" }, script: [mkdir made, echo kept >made/file, test -L "${tools}/gitlab-runner", rm "${tools}/gitlab-runner"], artifacts: { paths: [made] } }`,
      'path-use: { stage: test, script: [cat made/file], needs: [path] }',
    ].join('\n');
    const { jobs } = await world.pipeline(`${yaml}\n${untracked}`);
    expect(jobs.map(({ name, state }) => [name, state]).sort()).toEqual([
      ['fill', 'success'],
      ['path', 'success'],
      ['path-use', 'success'],
      ['tracked', 'success'],
      ['untracked', 'success'],
      ['use', 'success'],
    ]);
    const logs = Object.fromEntries(jobs.map(({ name, log }) => [name, readable(log)]));
    for (const name of ['fill', 'path', 'untracked']) {
      expect(logs[name]).toMatch(/The instance has no gitlab-runner: installing it from this host \(limit 300 s\)/);
      expect(logs[name]).toMatch(/gitlab-runner was installed from this host in /);
      expect(logs[name]).not.toMatch(/Missing gitlab-runner/);
    }
    for (const name of ['use', 'path-use', 'tracked']) expect(logs[name]).toContain('\nkept\n');
  });

  test('a job that would lose them is refused, where none may be installed, and one that uses neither is not', async () => {
    const environment = { GITLAB_SPOT_RUNNER_HELPER: 'none' };
    const { jobs } = await world.pipeline(`${yaml}\nplain: { stage: build, script: [echo plain] }`, { environment });
    const fill = jobs.find(({ name }) => name === 'fill')!;
    expect(fill).toMatchObject({ state: 'failed', failureReason: 'script_failure' });
    expect(readable(fill.log)).toMatch(
      /ERROR: The instance has no gitlab-runner, so this job's cache and artifacts would be lost: GITLAB_SPOT_RUNNER_HELPER is none/,
    );
    expect(jobs.find(({ name }) => name === 'plain')).toMatchObject({ state: 'success' });
  });

  test('a cancelled prepare does not wait for the download', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const job = new HookedJob(
      world,
      { GITLAB_SPOT_RUNNER_HELPER: `http://127.0.0.1:${port}/gitlab-runner` },
      { artifacts: [{ paths: ['made'] }] },
    );
    const prepare = job.start('prepare');
    const [connection] = (
      await Promise.all([once(silent, 'connection'), prepare.prints('installing it from its URL')])
    )[0] as [Socket];
    const cancelledAt = Date.now();
    process.kill(-prepare.process.pid!, 'SIGTERM');
    const { code, stderr } = await prepare.ended;
    expect({ code, stderr: readable(stderr) }).toEqual({
      code: 2,
      stderr: expect.stringContaining('Cancelled by the runner (SIGTERM)') as string,
    });
    // Where nobody hangs up, the download lasts for its limit.
    expect(Date.now() - cancelledAt).toBeLessThan(60_000);
    connection.destroy();
    silent.close();
    await job.cleanUp('canceled');
  });

  test('and nothing is left', () => world.nothingLeft());
});

describe('jobs side by side', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start({ providerSleeps: 'create=100,delete=3000,network=20,poll=50,retry=50' });
  });
  afterAll(() => world.close());
  const instances = async () => (await world.sandbox.control.leftovers()).instances;

  test('a second attempt of a job does not race the destroy of its first', async () => {
    const first = new HookedJob(world);
    await first.prepare();
    await first.cleanUp();
    // The destroyer works on the first attempt's stack while the second one's is made.
    const change = { GITLAB_SPOT_ATTEMPT: '2' };
    const { code, stdout } = await first.start('prepare', change).ended;
    expect({ code, log: stdout.toString() }).toEqual({
      code: 0,
      log: expect.stringContaining('Ready after') as string,
    });
    while ((await instances()).length > 1) await sleep(50);
    const stage = await first.run('echo alive', 'build_script', change).ended;
    expect({ code: stage.code, stdout: stage.stdout.toString() }).toEqual({ code: 0, stdout: 'alive\n' });
    expect((await first.start('cleanup', change).ended).code).toBe(0);
    await world.nothingLeft();
  });

  test('have a security group each: the end of one takes nothing from the other', async () => {
    const jobs = [new HookedJob(world), new HookedJob(world)] as const;
    await Promise.all(jobs.map((job) => job.prepare()));
    const groups = (await instances()).map(({ securityGroupIds }) => securityGroupIds);
    expect(groups.map((ids) => ids.length)).toEqual([1, 1]);
    expect(new Set(groups.flat()).size).toBe(2);
    await jobs[0].cleanUp();
    while ((await instances()).length > 1) await sleep(50);
    const calls = await world.sandbox.control.calls();
    const [kept] = (await instances()).flatMap(({ securityGroupIds }) => securityGroupIds);
    expect(
      calls.filter(
        ({ action, params }) => /^(Revoke|Delete)SecurityGroup/.test(action) && params.SecurityGroupId === kept,
      ),
    ).toEqual([]);
    await expect(jobs[1].run('echo alive').ended).resolves.toMatchObject({ code: 0 });
    await jobs[1].cleanUp();
    await world.nothingLeft();
  });
});

describe('a job that fails', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
  });
  afterAll(() => world.close());

  test('says how to reach the instance that SPOT_DEBUG_KEEP keeps, and that is how it is reached', async () => {
    const page = readFileSync(path.resolve(__dirname, '../../stacks/instances.yaml'), 'utf8');
    const file = path.join(world.sandbox.directory, 'keep.yaml');
    writeFileSync(file, page.replace(/^ {2}standard:\n/m, '  standard:\n    debugKeepMax: 1h\n'));
    const job = new HookedJob(world, { GITLAB_SPOT_PROFILES_FILE: file, CUSTOM_ENV_SPOT_DEBUG_KEEP: '30m' });
    await job.prepare();
    // As often as *_ATTEMPTS say, the runner calls the hook for the same stage again.
    const restore = '[ -e "$HOME/tried" ] || { touch "$HOME/tried"; exit 3; }';
    expect((await job.run(restore, 'restore_cache').ended).code).toBe(1);
    expect((await job.run(restore, 'restore_cache').ended).code).toBe(0);
    const { code, stdout } = await job.run('echo made >"$HOME/made"; exit 4').ended;
    expect({ code, stdout: readable(stdout.toString()), status: readFileSync(job.exitCodeFile, 'utf8') }).toEqual({
      code: 1,
      stdout: `The instance stays for 30 min 00 s after the job: \`gitlab-spot ssh ${job.id}\` on the runner host opens a shell on it\n`,
      status: '4\n',
    });
    await job.cleanUp('failed');
    // Behind -- options are the command's.
    expect(await world.gitlabSpot(['ssh', String(job.id), '--', 'cat', '-e', 'made'])).toMatchObject({
      exitCode: 0,
      stdout: 'made$\n',
    });
    expect((await world.gitlabSpot(['jobs', 'ls'])).stdout).toMatch(/^job-\S+ +kept /m);
    expect(await world.gitlabSpot(['jobs', 'rm', String(job.id)])).toMatchObject({ exitCode: 0 });
    await world.nothingLeft();
  });
});

describe('SIGTERM to the process group of a hook', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start({ delays: { bootMs: 6_000 } });
  });
  afterAll(() => world.close());

  const terminate = (process_: { readonly pid?: number | undefined }): void =>
    void process.kill(-process_.pid!, 'SIGTERM');

  test('while prepare waits for SSH ends it, and cleanup finds everything', async () => {
    const job = new HookedJob(world);
    const prepare = job.start('prepare');
    await prepare.prints('Waiting for SSH');
    await sleep(500);
    terminate(prepare.process);
    const { code, stderr } = await prepare.ended;
    expect({ code, stderr: readable(stderr) }).toEqual({
      code: 2,
      stderr: expect.stringContaining('Cancelled') as string,
    });
    await job.cleanUp('canceled');
    await world.nothingLeft();
  });

  test('while prepare waits for a slot ends it at once, and there is nothing to clean up', async () => {
    const change = { GITLAB_SPOT_CONCURRENT_UPS: '1' };
    const before = new HookedJob(world, change);
    const job = new HookedJob(world, change);
    const holder = before.start('prepare');
    await holder.prints('Taking ');
    const prepare = job.start('prepare');
    await prepare.prints('Waiting for a slot');
    terminate(prepare.process);
    expect((await prepare.ended).code).toBe(2);
    terminate(holder.process);
    await holder.ended;
    await Promise.all([job.cleanUp('canceled'), before.cleanUp('canceled')]);
    await world.nothingLeft();
  });

  describe('of run', () => {
    let job: HookedJob;
    beforeAll(async () => {
      job = new HookedJob(world);
      await job.prepare();
    }, 60_000);
    afterAll(() => job.cleanUp('canceled'));

    test.each([0, 200, 400])(
      '%i ms after its start: a script that began is ended, one that did not never begins',
      async (afterMs) => {
        const script = `sleep ${job.id}.${afterMs}`;
        const stage = job.run(`echo begun; ${script}; echo survived`);
        await new Promise((resolve) => stage.process.once('spawn', resolve));
        await sleep(afterMs);
        terminate(stage.process);
        const { code } = await stage.ended;
        // Before the hook's own code runs, a signal ends it as any process.
        expect([1, null]).toContain(code);
        expect(isRunning(script)).toBe(false);
        await expect(job.run('echo after', 'after_script').ended).resolves.toMatchObject({ code: 0 });
      },
    );

    test('while the network is gone: the hook waits for it as long as for any stage, and ends the script', async () => {
      const script = `sleep ${job.id}.7`;
      const stage = job.run(`echo begun; ${script}; echo survived`);
      await stage.prints('begun');
      while (!isRunning(script)) await sleep(10);
      await world.sandbox.control.disconnect(job.instanceId());
      terminate(stage.process);
      await sleep(2_000);
      await world.sandbox.control.reconnect(job.instanceId());
      expect((await stage.ended).code).toBe(1);
      expect(isRunning(script)).toBe(false);
    });
  });
});

/**
 * Whether a process with that command line is there: this machine sees those of its instances, by
 * other numbers.
 */
function isRunning(command: string): boolean {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => commandLine(pid) === command);
}

/** '' where the process has ended. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
