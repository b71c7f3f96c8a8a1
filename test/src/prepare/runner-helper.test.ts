import { appendFileSync, chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  callsHelper,
  ensureRunnerHelper,
  HELPER_INTERPRETER,
  RunnerHelperMissing,
  type HelperRequest,
} from '../../../src/prepare/runner-helper';
import { connect, installSupervisor, type SshConnection } from '../../../src/ssh';
import { testUnless } from '../../support/skip';
import { without } from '../../support/tools';
import { startServer, type TestServer } from '../../support/ssh/servers';
import { runStage } from '../../support/ssh/stages';

const runner = (version: string): string => `#!/bin/sh\necho "Version:      ${version}"\n`;

describe('gitlab-runner on the instance', () => {
  let server: TestServer;
  let connection: SshConnection;
  let folder: string;
  let log: string[];

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-helper-'));
    log = [];
    server = await startServer('ssh2');
    writeFileSync(path.join(server.home, '.bash_profile'), `PATH="$HOME/image:$PATH"\n`);
    connection = await connect(server.target);
    await installSupervisor(connection);
  });
  afterEach(async () => {
    connection.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  function image(version: string): void {
    mkdirSync(path.join(server.home, 'image'));
    executable(path.join(server.home, 'image', 'gitlab-runner'), version);
  }
  function executable(file: string, version: string): string {
    writeFileSync(file, runner(version));
    chmodSync(file, 0o755);
    return file;
  }
  const ensure = (request: Partial<HelperRequest> = {}): Promise<void> =>
    ensureRunnerHelper({
      connection,
      source: 'none',
      runnerVersion: '19.3.0',
      used: true,
      jobPath: undefined,
      log: { line: (text) => log.push(text), warn: (text) => log.push(`warning: ${text}`) },
      hostBinary: () => undefined,
      ...request,
    });
  const versionInAStage = async (): Promise<string> =>
    (await runStage(server.target, 'gitlab-runner --version')).log.text;

  it('is left alone when it fits, also in another patch version', async () => {
    image('19.3.2');
    await ensure();
    expect(log).toEqual([]);
  });

  it('is copied from the runner’s host, and found by the stages', async () => {
    const binary = executable(path.join(folder, 'gitlab-runner'), '19.3.0');
    await ensure({ source: 'host', hostBinary: () => binary });
    expect(log).toEqual([
      'The instance has no gitlab-runner: installing it from this host (limit 300 s)',
      expect.stringMatching(/^gitlab-runner was installed from this host in \d/),
    ]);
    await expect(versionInAStage()).resolves.toBe('Version:      19.3.0\n');
  });

  it('takes the place of one that doesn’t fit', async () => {
    image('17.4.0');
    const binary = executable(path.join(folder, 'gitlab-runner'), '19.3.0');
    await ensure({ source: 'host', hostBinary: () => binary });
    await expect(versionInAStage()).resolves.toBe('Version:      19.3.0\n');
  });

  testUnless(without('curl'), 'comes from a URL with version and architecture filled in', async () => {
    const asked: string[] = [];
    const web = createServer((request, answer) => {
      asked.push(request.url ?? '');
      answer.end(runner('19.3.0'));
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const { port } = web.address() as AddressInfo;
    await ensure({ source: `http://127.0.0.1:${port}/v{version}/gitlab-runner-linux-{arch}?signature=secret` });
    await expect(versionInAStage()).resolves.toBe('Version:      19.3.0\n');
    expect(asked).toEqual([
      expect.stringMatching(/^\/v19\.3\.0\/gitlab-runner-linux-(amd64|arm64)\?signature=secret$/),
    ]);
    expect(log.join()).not.toContain('secret');
    await new Promise((resolve) => web.close(resolve));
  });

  it('is not waited for by a job that uses neither cache nor artifacts', async () => {
    await ensure({ used: false, source: 'host', hostBinary: () => '/never/asked' });
    expect(log).toEqual([]);
    expect(existsSync(path.join(server.home, '.gitlab-spot', 'bin'))).toBe(false);
  });

  it.each<[string, Partial<HelperRequest>, RegExp]>([
    [
      'switched off',
      { source: 'none' },
      /no gitlab-runner, so this job's cache and artifacts would be lost: GITLAB_SPOT_RUNNER_HELPER is none/,
    ],
    ['not on the host either', { source: 'host' }, /this host has no gitlab-runner either/],
    ['not downloaded', { source: 'http://127.0.0.1:9/x?signature=secret' }, /the download failed/],
  ])('fails the job in prepare when it is needed and %s', async (_what, request, message) => {
    await expect(ensure(request)).rejects.toThrow(RunnerHelperMissing);
    await expect(ensure(request)).rejects.toThrow(message);
    await expect(ensure(request)).rejects.not.toThrow(/secret/);
  });

  it('is found by scripts whose PATH the job sets, by a link where it leads', async () => {
    image('19.3.0');
    const tools = path.join(folder, 'tools');
    mkdirSync(tools);
    const jobPath = `${folder}/nothing:${tools}`;
    await ensure({ jobPath });
    const { log: output } = await runStage(server.target, `PATH=${jobPath}; gitlab-runner --version`);
    expect(output.text).toBe('Version:      19.3.0\n');
    await ensure({ jobPath });
  });

  it('fails the job in prepare where the PATH that it sets can’t lead to it: its own fault, so not tried again', async () => {
    image('19.3.0');
    const lost = ensure({ jobPath: `${folder}/nothing:/proc` });
    await expect(lost).rejects.toThrow(RunnerHelperMissing);
    await expect(lost).rejects.toMatchObject({
      blame: 'job',
      message: expect.stringContaining('sets PATH to') as string,
    });
  });

  describe('in the stages of cache and artifacts', () => {
    // As the runner's scripts are.
    const upload = (jobPath: string) =>
      runStage(
        server.target,
        [
          'set -eo pipefail',
          `: | eval $'export PATH="${jobPath}"\\nif "gitlab-runner" --version >/dev/null 2>&1; then "gitlab-runner" --version\\nelse echo "Missing gitlab-runner."; fi\\n'`,
          'exit 0',
        ].join('\n'),
        { request: { interpreter: HELPER_INTERPRETER } },
      );

    it('is found whatever the job’s PATH, another program of that name, or the profile say', async () => {
      image('19.3.0');
      executable(path.join(folder, 'gitlab-runner'), 'of the job');
      await connection.exec('rm -r ~/.gitlab-spot');
      const profile = 'gitlab-runner() { :; }; export -f gitlab-runner; readonly PATH; export PATH\n';
      appendFileSync(path.join(server.home, '.bash_profile'), profile);
      await installSupervisor(connection);
      for (const jobPath of ['/nowhere', '', folder, `${folder}:$PATH`])
        expect((await upload(jobPath)).log.text).toBe('Version:      19.3.0\n');
    });

    it('fails the job where a script has removed it', async () => {
      const { outcome, log: output } = await upload('$PATH');
      expect(outcome).toEqual({ kind: 'exited', exitCode: 1 });
      expect(output.text).toMatch(/^A script has removed gitlab-runner from the instance: [^\n]+\n$/);
    });
  });

  it('of another minor version is better than none, with a warning', async () => {
    image('19.1.0');
    await ensure();
    expect(log).toEqual([
      expect.stringMatching(/^warning: The instance has gitlab-runner 19\.1\.0, the runner is 19\.3\.0/),
    ]);
  });

  it('of another major version is not', async () => {
    image('15.0.0');
    await expect(ensure()).rejects.toThrow(/gitlab-runner 15\.0\.0, the runner is 19\.3\.0/);
  });
});

test.each([
  ['restore_cache', true],
  ['archive_cache_on_failure', true],
  ['download_artifacts', true],
  ['upload_artifacts_on_success', true],
  ['build_script', false],
  ['get_sources', false],
  ['step_restore_cache', false],
])('%s calls gitlab-runner: %s', (stage, calls) => {
  expect(callsHelper(stage)).toBe(calls);
});
