import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { lastLine } from '../../../src/containers/docker';
import { ImageRefused, NoDocker } from '../../../src/containers/errors';
import { isDockerDaemon, serviceAliases } from '../../../src/containers/names';
import { prepareContainers } from '../../../src/containers/prepare';
import { brokenByDocker, containerInterpreter, runsInContainer } from '../../../src/containers/stage';
import { containerEnvironment, serviceVariables } from '../../../src/containers/variables';
import { expandVariables } from '../../../src/gitlab/expand';
import { parseJobResponse } from '../../../src/gitlab/job-response';
import type { JobVariable } from '../../../src/gitlab/types';
import { connect, installSupervisor } from '../../../src/ssh';
import { StageBroken } from '../../../src/ssh/errors';
import { describeWithDocker } from '../../support/docker';
import { WITHOUT_SETSID } from '../../support/ssh/machines';
import { startServer, type TestServer } from '../../support/ssh/servers';
import { runStage, startStage } from '../../support/ssh/stages';

describe('where a stage runs', () => {
  it.each([
    ['build_script', true],
    ['step_script', true],
    ['step_release', true],
    ['after_script', true],
    ['prepare_script', false],
    ['get_sources', false],
    ['restore_cache', false],
    ['download_artifacts', false],
    ['archive_cache_on_failure', false],
    ['upload_artifacts_on_success', false],
    ['cleanup_file_variables', false],
  ])('%s in the container: %s', (stage, inside) => expect(runsInContainer(stage)).toBe(inside));
});

describe('names of a service', () => {
  it.each([
    ['postgres:16', 'db', ['postgres', 'db']],
    ['tutum/wordpress:latest', '', ['tutum__wordpress', 'tutum-wordpress']],
    [
      'registry.example.com:5000/team/redis:7',
      'cache, kv',
      ['registry.example.com__team__redis', 'registry.example.com-team-redis', 'cache', 'kv'],
    ],
    ['redis@sha256:0123', '', ['redis']],
  ])('%s with alias %j', (image, alias, names) => expect(serviceAliases(image, alias)).toEqual(names));
});

describe('docker in docker', () => {
  const digest = `@sha256:${'0123456789abcdef'.repeat(4)}`;
  it.each([
    ['docker:dind', true],
    ['docker:27-dind', true],
    ['docker:27.3-dind-rootless', true],
    [`docker:27-dind${digest}`, true],
    [`registry.example:5000/mirror/docker:dind${digest}`, true],
    ['registry.example/mirror/docker:dind', true],
    ['docker:27', false],
    [`docker:27-cli${digest}`, false],
    ['my-docker:dind', false],
    ['registry.example/docker:5000/tools', false],
  ])('%s: %s', (image, is) => expect(isDockerDaemon(image)).toBe(is));
});

describe('docker’s reason', () => {
  it.each([
    ["docker: Error response from daemon: no space left.\nSee 'docker run --help'.\n", 'no space left.'],
    [
      "docker: invalid reference format\n\nRun 'docker run --help' for more information\n",
      'docker: invalid reference format',
    ],
    ['Error response from daemon: no such file\nError: failed to start containers: build\n', 'no such file'],
    ['\n', ''],
  ])('in %j', (stderr, reason) => expect(lastLine(stderr)).toBe(reason));
});

describe('what a container’s environment is made of', () => {
  const variable = (key: string, value: string, change: Partial<JobVariable> = {}): JobVariable => ({
    ...{ key, value, public: true, masked: false, file: false, raw: false },
    ...change,
  });

  it('lines that docker reads from a file, and exports for what has no place in a line', () => {
    const long = 'x'.repeat(70_000);
    expect(
      containerEnvironment({ A: '1 2"3 $HOME', 'not-a-name': 'x', C: '', TWO: "it's\n$HOME", LONG: long }),
    ).toEqual({
      file: 'A=1 2"3 $HOME\nC=\n',
      exports: `export TWO='it'\\''s\n$HOME'\nexport LONG=${long}\n`,
      names: ['TWO', 'LONG'],
    });
  });

  it('nothing that would lead the docker client astray', () => {
    const names = ['PATH', 'HOME', 'DOCKER_HOST', 'LD_PRELOAD', 'BASH_ENV', 'IFS'];
    expect(containerEnvironment(Object.fromEntries(names.map((name) => [name, 'a\nb'])))).toEqual({
      file: '',
      exports: '',
      names: [],
    });
  });

  it('a service sees public variables and its own, expanded, and no secret of the project’s settings', () => {
    const job = [variable('DB', 'app'), variable('DEPLOY_KEY', 'secret', { public: false })];
    const service = {
      ...{ name: 'postgres', alias: '', entrypoint: undefined, pullPolicies: [], user: undefined, platform: undefined },
      command: [],
      variables: [
        variable('POSTGRES_DB', '${DB}_test'),
        variable('KEY', '<$DEPLOY_KEY>'),
        variable('RAW', '$DB', { raw: true }),
      ],
    };
    expect(serviceVariables(service, job, { DB: 'app', DEPLOY_KEY: 'secret', CI_PROJECT_DIR: '/builds/x' })).toEqual({
      DB: 'app',
      CI_PROJECT_DIR: '/builds/x',
      POSTGRES_DB: 'app_test',
      KEY: '<>',
      RAW: '$DB',
    });
  });

  it.each([
    ['$A', '1'],
    ['${A}x$B', '1x2'],
    ['$Ax', ''],
    ['$$A', '$A'],
    ['100$', '100$'],
    ['$ A', '$ A'],
    ['$1${C}', ''],
    ['registry/$A:${B}', 'registry/1:2'],
  ])('%j is expanded to %j', (text, expanded) =>
    expect(expandVariables(text, { A: '1', B: '2' }, { what: 'It', characters: 100 })).toBe(expanded),
  );
});

const response = (job: object) =>
  parseJobResponse({ variables: [{ key: 'FROM_JOB', value: 'yes', public: true }], ...job })!;

describeWithDocker('a job with an image, in a real docker', (daemon) => {
  let server: TestServer;
  let builds: string;
  const log: string[] = [];

  beforeAll(async () => {
    await daemon.importImage('local:1');
    server = await startServer('ssh2');
    // As an image does whose docker is put on PATH by a start-up file of the login.
    writeFileSync(
      path.join(server.home, '.bash_profile'),
      `PATH="${path.dirname(daemon.program)}:$PATH"
`,
    );
    builds = path.join(server.home, 'builds');
  }, 60_000);
  afterAll(() => server.stop());

  async function prepare(job: object): Promise<void> {
    const connection = await connect(server.target);
    try {
      await installSupervisor(connection);
      await prepareContainers({
        connection,
        response: response(job),
        variables: { FROM_JOB: 'yes' },
        buildsDir: builds,
        cacheDir: path.join(server.home, 'cache'),
        pullMs: 20_000,
        serviceMs: 1_000,
        entryPointMs: 60_000,
        log: { line: (text) => log.push(text), warn: (text) => log.push(text) },
        signal: new AbortController().signal,
      });
    } finally {
      connection.close();
    }
  }
  const inContainer = (script: string) =>
    runStage(server.target, script, { request: { interpreter: containerInterpreter(), brokenBy: brokenByDocker } });

  it('runs the user’s script inside, with the job’s variables, an empty standard input and the script’s exit status', async () => {
    await prepare({ image: { name: 'local:1', pull_policy: ['never'] } });
    const { outcome, log: output } = await inContainer(
      `( ls /; echo "$FROM_JOB $BASH"; cat; touch ${builds}/from-the-container ) </dev/null\nexit 42\n`,
    );
    expect(output.text).toMatch(/^bin\n/);
    expect(output.text).not.toContain('home');
    expect(output.text).toContain('yes /usr/bin/bash\n');
    expect(outcome).toEqual({ kind: 'exited', exitCode: 42 });
    expect(existsSync(path.join(builds, 'from-the-container'))).toBe(true);
  }, 60_000);

  it('leaves no credentials and variables on the instance', () => {
    expect(existsSync(path.join(server.home, '.gitlab-spot', 'docker'))).toBe(false);
  });

  it('cancelling ends what runs inside, after it could clean up', async () => {
    await prepare({ image: { name: 'local:1', pull_policy: ['never'] } });
    const stage = startStage(
      server.target,
      `trap 'echo cleaned; exit 1' TERM; (trap '' TERM; while :; do sleep 0.2; done) & echo started; while :; do sleep 0.1; done`,
      { graceMs: 10_000, request: { interpreter: containerInterpreter() } },
    );
    await stage.log.contains('started');
    stage.cancel();
    await expect(stage.outcome).resolves.toEqual({ kind: 'cancelled' });
    expect(stage.log.text).toContain('cleaned');
    // With its first process a container loses all.
    expect(await daemon.docker('inspect', '-f', '{{.State.Pid}} {{.State.Running}}', 'gitlab-spot-build')).toBe(
      '0 false\n',
    );
    await expect(inContainer('echo after_script')).resolves.toMatchObject({ outcome: { exitCode: 0 } });
  }, 60_000);

  it('what docker did to the script or its container is the machine’s failure, and no exit status of the script', async () => {
    await prepare({ image: { name: 'local:1', pull_policy: ['never'] } });
    await expect(inContainer('exit 1')).resolves.toMatchObject({ outcome: { exitCode: 1 } });
    await expect(inContainer('exit 125')).resolves.toMatchObject({ outcome: { exitCode: 125 } });
    const stage = startStage(server.target, 'echo begun; sleep 100', {
      request: { interpreter: containerInterpreter(), brokenBy: brokenByDocker },
    });
    await stage.log.contains('begun');
    await daemon.docker('rm', '--force', 'gitlab-spot-build');
    const gone = /can't run the stage: docker: .*No such \w+: gitlab-spot-build/;
    await expect(stage.outcome).rejects.toThrow(StageBroken);
    await expect(stage.outcome).rejects.toThrow(gone);
    await expect(inContainer('echo after_script')).rejects.toThrow(gone);
  }, 60_000);

  it('a user of the job’s choice gets the checkout through the runner’s own mark', async () => {
    mkdirSync(builds, { recursive: true });
    await prepare({
      image: { name: 'local:1', pull_policy: ['never'], executor_opts: { docker: { user: 'nobody' } } },
    });
    expect(statSync(path.join(builds, '.gitlab-build-uid-gid')).uid).toBe(65534);
    const { log: output } = await inContainer(`id -u; touch ${builds}/by-nobody`);
    expect(output.text).toBe('65534\n');
    // `untracked: true` of artifacts and cache is git's word, on the instance, in what is now another's.
    const script = `cd ${builds} && git init -q . && chown -R 65534:65534 . && git ls-files --others by-nobody`;
    expect((await runStage(server.target, script)).log.text).toContain('by-nobody\n');
    expect(statSync(path.join(builds, 'by-nobody')).uid).toBe(65534);
  }, 60_000);

  it('services stand in the job’s network under their aliases, with their variables and command', async () => {
    await prepare({
      image: { name: 'local:1', pull_policy: ['never'] },
      services: [
        {
          name: 'local:1',
          alias: 'db',
          pull_policy: ['never'],
          command: ['bash', '-c', 'echo "$FROM_JOB $OWN" >/tmp/seen; while :; do sleep 1; done'],
          variables: [{ key: 'OWN', value: 'secret' }],
        },
      ],
    });
    const aliases = await daemon.docker(
      'inspect',
      '-f',
      '{{json (index .NetworkSettings.Networks "gitlab-spot").Aliases}}',
      'gitlab-spot-service-0',
    );
    expect(JSON.parse(aliases)).toEqual(expect.arrayContaining(['db', 'local']));
    // What docker would choose itself, 172.16.0.0/12, may be the VPC's.
    const subnet = '{{(index .IPAM.Config 0).Subnet}}';
    expect(await daemon.docker('network', 'inspect', '-f', subnet, 'gitlab-spot')).toMatch(/^198\.1[89]\./);
    await expect(
      daemon.docker(
        'exec',
        'gitlab-spot-service-0',
        'bash',
        '-c',
        'until [ -s /tmp/seen ]; do sleep 0.1; done; cat /tmp/seen',
      ),
    ).resolves.toBe('yes secret\n');
  }, 60_000);

  it('a service that ends is a warning with its last words', async () => {
    log.length = 0;
    await prepare({
      image: { name: 'local:1', pull_policy: ['never'] },
      services: [{ name: 'local:1', pull_policy: ['never'], command: ['bash', '-c', 'echo no password; exit 1'] }],
    });
    expect(log.join('\n')).toMatch(/service local:1 has ended; its last lines:\n {2}no password/);
  }, 60_000);

  it.each([
    [
      'an image that is not there',
      { name: 'missing:1', pull_policy: ['never'] },
      /missing:1 can't be had: it is not on the instance/,
    ],
    [
      'an entry point that runs no shell',
      { name: 'local:1', pull_policy: ['never'], entrypoint: ['ls', '/'] },
      /does not run a shell/,
    ],
  ])(
    '%s is the job’s own failure, not tried again',
    async (_what, image, message) => {
      await expect(prepare({ image })).rejects.toThrow(ImageRefused);
      await expect(prepare({ image })).rejects.toThrow(message);
    },
    60_000,
  );

  it('a registry that can’t be reached is told, and an image that is there is used', async () => {
    log.length = 0;
    await daemon.docker('tag', 'local:1', '127.0.0.1:9/local:1');
    await prepare({ image: { name: '127.0.0.1:9/local:1' } });
    expect(log.join('\n')).toMatch(/the one on the instance \(the pull failed: .*\)/);
  }, 60_000);
});

describe('an instance without docker', () => {
  it('says so in prepare', async () => {
    const server = await startServer('ssh2', WITHOUT_SETSID);
    const connection = await connect(server.target);
    await expect(
      prepareContainers({
        connection,
        response: response({ image: { name: 'ruby:3' } }),
        buildsDir: '/builds',
        cacheDir: '/cache',
        variables: {},
        pullMs: 1000,
        serviceMs: 1000,
        entryPointMs: 60_000,
        log: { line: () => {}, warn: () => {} },
        signal: new AbortController().signal,
      }),
    ).rejects.toThrow(NoDocker);
    connection.close();
    await server.stop();
  });
});
