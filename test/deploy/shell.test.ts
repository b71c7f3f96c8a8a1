import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import type { PipelineFacts } from '../../sandbox/runner/pipeline/facts';
import { readPipeline } from '../../sandbox/runner/pipeline/pipeline';
import { describeWithTool, runTool } from '../support/tools';
import { inDeploy, read, root, shellScripts } from './files';

describeWithTool('shellcheck', { program: 'shellcheck' }, () => {
  it.each(shellScripts().map((file) => path.relative(root, file)))('has nothing to say about %s', (file) => {
    expect(runTool('shellcheck', [file], { cwd: root })).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });
});

describeWithTool('fetch-pulumi.sh', { program: 'curl' }, () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'fetch-pulumi-'));
    const program = (name: string, says: string) => {
      writeFileSync(name, `#!/bin/sh\necho ${says}\n`);
      chmodSync(name, 0o755);
    };
    mkdirSync(path.join(directory, 'pulumi'));
    program(path.join(directory, 'pulumi/pulumi'), 'v3.260.0');
    program(path.join(directory, 'pulumi/pulumi-language-nodejs'), 'nodejs');
    program(path.join(directory, 'pulumi/pulumi-language-go'), 'go');
    program(path.join(directory, 'pulumi-resource-alicloud'), 'provider');
    const pack = (archive: string, member: string) =>
      runTool('tar', ['-czf', archive, member], { cwd: directory }).exitCode;
    expect(pack('pulumi-v3.260.0-linux-x64.tar.gz', 'pulumi')).toBe(0);
    expect(pack('pulumi-resource-alicloud-v3.108.0-linux-amd64.tar.gz', 'pulumi-resource-alicloud')).toBe(0);
    // As pulumi publishes them: SHA-256 for the CLI, SHA-1 for a provider, each with the other
    // archives of the release.
    const page = (name: string, program: string, archive: string) =>
      writeFileSync(
        path.join(directory, name),
        `${'0'.repeat(64)}  pulumi-other.tar.gz\n${runTool(program, [archive], { cwd: directory }).stdout}`,
      );
    page('cli-checksums.txt', 'sha256sum', 'pulumi-v3.260.0-linux-x64.tar.gz');
    page('plugin-checksums.txt', 'sha1sum', './pulumi-resource-alicloud-v3.108.0-linux-amd64.tar.gz');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const fetchInto = (target: string, more: Record<string, string> = {}, architecture = 'amd64') =>
    runTool(inDeploy('runner/fetch-pulumi.sh'), [target, architecture], {
      env: {
        PATH: process.env.PATH,
        PULUMI_VERSION: '3.260.0',
        PULUMI_DOWNLOAD: `file://${directory}`,
        ALICLOUD_PLUGIN_VERSION: '3.108.0',
        ALICLOUD_PLUGIN_DOWNLOAD: `file://${directory}`,
        PULUMI_CHECKSUMS: `file://${directory}/cli-checksums.txt`,
        ALICLOUD_PLUGIN_CHECKSUMS: `file://${directory}/plugin-checksums.txt`,
        ...more,
      },
    });

  it('takes the CLI, the language host that is needed, and the provider from a mirror', () => {
    const target = path.join(directory, 'bin');
    expect(fetchInto(target).exitCode).toBe(0);
    expect(runTool('ls', [target]).stdout.split('\n')).toEqual([
      'pulumi',
      'pulumi-language-nodejs',
      'pulumi-resource-alicloud',
      '',
    ]);
  });

  it('fetches nothing a second time', () => {
    const target = path.join(directory, 'bin');
    fetchInto(target);
    expect(
      fetchInto(target, { PULUMI_DOWNLOAD: 'file:///nowhere', ALICLOUD_PLUGIN_DOWNLOAD: 'file:///nowhere' }),
    ).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });

  it('refuses an archive with another checksum', () => {
    const target = path.join(directory, 'bin');
    const { exitCode, stderr } = fetchInto(target, { PULUMI_SHA256: '0'.repeat(64) });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('has another SHA-256 than asked for');
    expect(runTool('ls', [target]).stdout).toBe('');
  });

  it.each([
    ['pulumi-v3.260.0-linux-x64.tar.gz', 'SHA-256'],
    ['pulumi-resource-alicloud-v3.108.0-linux-amd64.tar.gz', 'SHA-1'],
  ])('refuses %s when it is not the published one, without being told a checksum', (archive, kind) => {
    appendFileSync(path.join(directory, archive), 'x');
    const { exitCode, stderr } = fetchInto(path.join(directory, 'bin'));
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${archive} has another ${kind} than asked for`);
  });

  it.each([
    ['PULUMI_CHECKSUMS', 'PULUMI_SHA256'],
    ['ALICLOUD_PLUGIN_CHECKSUMS', 'ALICLOUD_PLUGIN_SHA256'],
  ])('installs nothing unchecked: without the page %s it asks for %s', (page, variable) => {
    writeFileSync(path.join(directory, 'empty'), '');
    for (const url of ['file:///nowhere', `file://${directory}/empty`]) {
      const { exitCode, stderr } = fetchInto(path.join(directory, 'bin'), { [page]: url });
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(new RegExp(`no checksum for .*Set ${variable}`, 'i'));
    }
  });

  it('says for which machines there is a pulumi', () => {
    expect(fetchInto(path.join(directory, 'bin'), {}, 'riscv64').stderr).toContain('only amd64 and arm64');
  });
});

describe('stacks-pulumi.sh', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'stacks-pulumi-'));
    writeFileSync(
      path.join(directory, 'pulumi'),
      '#!/bin/sh\necho "$PWD|$PULUMI_BACKEND_URL|${PULUMI_CONFIG_PASSPHRASE_FILE-none}|${PULUMI_CONFIG_PASSPHRASE-none}|$*"\n',
    );
    chmodSync(path.join(directory, 'pulumi'), 0o755);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it.each([
    ['without an env file', undefined, (dir: string) => `file://${dir}/pulumi|${dir}/passphrase|none`],
    ['with a backend of several hosts', 'PULUMI_BACKEND_URL=s3://b', (dir: string) => `s3://b|${dir}/passphrase|none`],
    ['with a passphrase', 'PULUMI_CONFIG_PASSPHRASE=p', (dir: string) => `file://${dir}/pulumi|none|p`],
  ])('asks the backend of this host %s, from the folder of the project', (_title, line, expected) => {
    if (line !== undefined) writeFileSync(path.join(directory, 'env'), `${line}\n`);
    const { stdout } = runTool(inDeploy('runner/stacks-pulumi.sh'), ['stack', 'ls'], {
      env: {
        PATH: `${directory}:${process.env.PATH}`,
        GITLAB_SPOT_STATE_DIR: directory,
        GITLAB_SPOT_ENV_FILE: path.join(directory, 'env'),
        GITLAB_SPOT_PACKAGE: root,
      },
    });
    expect(stdout).toBe(`${root}|${expected(directory)}|stack ls\n`);
  });

  it('names the backend as the executor does, where the state folder has what a URL reads otherwise', () => {
    const { stdout } = runTool(inDeploy('runner/stacks-pulumi.sh'), [], {
      env: {
        PATH: `${directory}:${process.env.PATH}`,
        GITLAB_SPOT_STATE_DIR: '/srv/a #1?100%',
        GITLAB_SPOT_ENV_FILE: '/nonexistent',
        GITLAB_SPOT_PACKAGE: root,
      },
    });
    expect(stdout).toBe(`${root}|file:///srv/a %231%3F100%25/pulumi|/srv/a #1?100%/passphrase|none|\n`);
  });
});

const facts: PipelineFacts = {
  projectId: 1,
  projectPath: 'team/app',
  serverUrl: 'http://127.0.0.1:1',
  pipelineId: 1,
  ref: 'main',
  refType: 'branch',
  defaultBranch: 'main',
  sha: 'a'.repeat(40),
  beforeSha: '0'.repeat(40),
  commitMessage: 'x',
  commitAuthor: 'A <a@example.com>',
  commitTimestamp: '2026-11-24T20:00:00Z',
  changedFiles: undefined,
  given: {},
  protectedRef: true,
  source: 'push',
};

describe('gitlab-ci.sample.yml', () => {
  const sample = parse(read('gitlab-ci.sample.yml')) as Record<string, { retry?: unknown; script?: string[] }>;

  it('runs a job again when its machine was lost, and not when its script failed', () => {
    expect(sample.default!.retry).toEqual({
      max: 2,
      when: ['runner_system_failure', 'runner_interrupted', 'stuck_or_timeout_failure'],
    });
    expect(sample.deploy!.retry).toBe(0);
  });

  it.each([
    ['main', ['build', 'container', 'deploy']],
    ['topic', ['build', 'container']],
  ])('makes a pipeline of its jobs on %s', (ref, jobs) => {
    const files = {
      read: (name: string) => (name === '.gitlab-ci.yml' ? read('gitlab-ci.sample.yml') : undefined),
      list: () => [],
    };
    expect(readPipeline(files, { ...facts, ref }).jobs.map((job) => job.name)).toEqual(jobs);
  });

  it('sends no password to Docker Hub where GitLab has no registry', () => {
    const script = sample.container!.script!;
    const login = script.findIndex((line) => line.includes('docker login'));
    const before = script.slice(0, login).join('\n');
    const run = (registry: string) =>
      runTool('sh', ['-ec', `${before}\necho logs in`], { env: { PATH: process.env.PATH, CI_REGISTRY: registry } });
    expect(run('')).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('has no container registry') as string,
    });
    expect(run('registry.example.com:5050')).toMatchObject({ exitCode: 0, stdout: 'logs in\n' });
  });

  it('uses java, gradle, docker and kubectl', () => {
    const text = ['build', 'container', 'deploy'].flatMap((job) => sample[job]!.script ?? []).join('\n');
    for (const tool of ['java', 'gradle', 'docker', 'kubectl']) expect(text).toMatch(new RegExp(`\\b${tool} `));
  });

  it('names profiles that the shipped instances.yaml has', () => {
    const page = parse(readFileSync(path.join(root, 'stacks/instances.yaml'), 'utf8')) as { profiles: object };
    const named = [...read('gitlab-ci.sample.yml').matchAll(/SPOT_PROFILE: (\S+)/g)].map((match) => match[1]!);
    for (const profile of named) expect(Object.keys(page.profiles)).toContain(profile);
  });
});
