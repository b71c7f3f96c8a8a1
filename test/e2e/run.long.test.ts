import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureRunnerHelper } from '../../src/prepare/runner-helper';
import { connect, installSupervisor } from '../../src/ssh';
import { exitCodeIn, prepareJob, type PreparedJob } from '../support/ssh/run-hook';
import { describeEachServer, startServer, type TestServer } from '../support/ssh/servers';

describeEachServer('where sshd allows one session for each connection, the run hook over', (kind) => {
  it('ends the stage at the runner’s SIGTERM (cancel, RUNNER_SCRIPT_TIMEOUT), and the next stage runs', async () => {
    const server = await startServer(kind, undefined, { maxSessions: 1, sshdConfig: ['MaxSessions 1'] });
    const job = prepareJob(server.target);
    const stage = job.run(`trap 'echo cleaned; exit 1' TERM; echo started; while :; do sleep 0.1; done`);
    await stage.prints('started');
    stage.process.kill('SIGTERM');
    const { code, stdout, stderr } = await stage.ended;
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout.toString()).toMatch(/^started\n[^]*cleaned\n/);
    expect(exitCodeIn(job.exitCodeFile)).toBe('143\n');
    const after = await job.run('echo after', { stage: 'after_script' }).ended;
    expect({ code: after.code, stdout: after.stdout.toString() }).toEqual({ code: 0, stdout: 'after\n' });
    job.remove();
    await server.stop();
  });
});

describeEachServer('a job that removes the gitlab-runner that prepare put onto its instance, over', (kind) => {
  let server: TestServer;
  let host: string;
  beforeEach(async () => {
    server = await startServer(kind);
    writeFileSync(path.join(server.home, '.bashrc'), 'echo Welcome; printf no-newline >&2\n');
    host = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-host-'));
    writeFileSync(path.join(host, 'gitlab-runner'), '#!/bin/sh\necho "Version:      19.3.0"\n', { mode: 0o755 });
    const connection = await connect(server.target);
    await installSupervisor(connection);
    await ensureRunnerHelper({
      connection,
      source: 'host',
      runnerVersion: '19.3.0',
      jobPath: undefined,
      used: true,
      log: { line: () => {}, warn: () => {} },
      hostBinary: () => path.join(host, 'gitlab-runner'),
    });
    connection.close();
  });
  afterEach(async () => {
    await server.stop();
    rmSync(host, { recursive: true });
  });

  /** A job that uploads artifacts. */
  const artifactsJob = (settings: Record<string, string>): PreparedJob => {
    const job = prepareJob(server.target, settings);
    const response = { id: 1001, steps: [{ name: 'script' }], artifacts: [{ paths: ['o/'] }] };
    writeFileSync(job.environment.JOB_RESPONSE_FILE!, JSON.stringify(response));
    return job;
  };
  const upload = (job: PreparedJob) =>
    job.run('gitlab-runner --version', { stage: 'upload_artifacts_on_success' }).ended;

  it.each(['~/.gitlab-spot', '~/.gitlab-spot/bin', '~/.gitlab-spot/*', '~/.gitlab-spot/environment'])(
    'finds it again for its artifacts: %s',
    async (removed) => {
      const job = artifactsJob({ PATH: `${host}:${process.env.PATH}` });
      await job.run(`rm -rf ${removed}`).ended;
      const { code, stdout } = await upload(job);
      expect(stdout.toString()).toMatch(/Version: +19\.3\.0\n$/);
      expect(code).toBe(0);
      job.remove();
    },
  );

  it('fails in each stage where none can be put there again, and says so once', async () => {
    const job = artifactsJob({ PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin` });
    expect((await job.run('rm -rf ~/.gitlab-spot; exit 0').ended).code).toBe(0);
    for (const stage of ['archive_cache', 'upload_artifacts_on_success']) {
      const { code, stdout, stderr } = await job.run('gitlab-runner --version', { stage }).ended;
      const told = `${stdout}${stderr}`;
      expect([stage, code, told]).toEqual([stage, 2, expect.stringContaining('this host has no gitlab-runner')]);
      expect(told).not.toContain('Version');
      expect(told.match(/this job's cache and artifacts would be lost/g)).toHaveLength(1);
    }
    job.remove();
  });
});
