import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ImageRefused } from '../../../src/containers/errors';
import { ContainerInstance } from '../../support/container-job';
import { describeWithDocker, type DockerDaemon } from '../../support/docker';
import { describeEachServer, type ServerKind } from '../../support/ssh/servers';

const REGISTRY = '127.0.0.1:5000';
const IMAGE = `${REGISTRY}/team/app:1`;
const USER = 'gitlab-ci-token';
const PASSWORD = 'p$ss:word';

describeWithDocker('images of a registry that asks for a login, in a real docker', (daemon) => {
  let folder: string;
  const served: Served = { text: '' };
  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'registry-'));
    await daemon.importImage('app:1', ['sh', 'sleep', 'id']);
    await daemon.docker('save', '-o', path.join(folder, 'image.tar'), 'app:1');
    execFileSync('tar', ['-C', folder, '-xf', path.join(folder, 'image.tar')]);
    await daemon.docker('rmi', 'app:1');
    const script = path.resolve(__dirname, '../../support/registry.mjs');
    const registry = daemon.startInNetwork(process.execPath, [script, folder, '5000', USER, PASSWORD]);
    await new Promise<void>((resolve) =>
      registry.stdout!.on('data', (chunk: Buffer) => {
        served.text += chunk.toString();
        if (served.text.startsWith('listening')) resolve();
      }),
    );
    const answers = JSON.stringify({ Username: USER, Secret: PASSWORD });
    const helper = `#!/bin/sh\nread -r registry\n[ "$1" = list ] && echo '{"${REGISTRY}":"${USER}"}' && exit\n[ "$1 $registry" = "get ${REGISTRY}" ] && echo '${answers}'\n`;
    writeFileSync(path.join(daemon.instancePath, 'docker-credential-test'), helper, { mode: 0o755 });
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => (served.text = ''));
  describeEachServer('over', (kind) => cases(daemon, kind, served));
});

/** What the registry was asked for. */
interface Served {
  text: string;
}

function cases(daemon: DockerDaemon, kind: ServerKind, served: Served): void {
  let instance: ContainerInstance;
  beforeAll(async () => {
    instance = await ContainerInstance.start(daemon, kind);
  });
  afterAll(() => instance.server.stop());

  test('are pulled with the config of the instance’s own user, which comes before the job’s credentials', async () => {
    const folder = path.join(instance.server.home, '.docker');
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'config.json'), authConfig(PASSWORD));
    await instance.prepare({ image: { name: IMAGE }, credentials: [credential('another')] });
    expect(served.text).toContain('GET /v2/team/app/blobs/');
    rmSync(folder, { recursive: true });
  }, 60_000);
  // A pull that is not needed would tell nothing of credentials.
  afterEach(async () => {
    await daemon.docker('rm', '-f', 'gitlab-spot-build');
    await daemon.docker('rmi', '-f', IMAGE).catch(() => undefined);
  });

  const auth = (password: string): { auth: string } => ({
    auth: Buffer.from(`${USER}:${password}`).toString('base64'),
  });
  const credential = (password: string) => ({ type: 'registry', url: REGISTRY, username: USER, password });
  const authConfig = (password: string): string => JSON.stringify({ auths: { [REGISTRY]: auth(password) } });

  test.each([
    ['the credentials that GitLab gave the job', { credentials: [credential(PASSWORD)] }, {}],
    ['DOCKER_AUTH_CONFIG', {}, { DOCKER_AUTH_CONFIG: authConfig(PASSWORD) }],
    [
      'DOCKER_AUTH_CONFIG, which comes before the job’s credentials',
      { credentials: [credential('another')] },
      { DOCKER_AUTH_CONFIG: authConfig(PASSWORD) },
    ],
    [
      'DOCKER_AUTH_CONFIG of type file',
      { variables: [{ key: 'DOCKER_AUTH_CONFIG', value: authConfig(PASSWORD), file: true }] },
      { DOCKER_AUTH_CONFIG: '/builds/root/demo.tmp/DOCKER_AUTH_CONFIG' },
    ],
    [
      'the key of DOCKER_AUTH_CONFIG that has most of the image’s path',
      {},
      {
        DOCKER_AUTH_CONFIG: JSON.stringify({
          auths: {
            [REGISTRY]: auth('of all'),
            [`${REGISTRY}/team`]: auth(PASSWORD),
            [`${REGISTRY}/other`]: auth('of others'),
          },
        }),
      },
    ],
    [
      'a credential helper, which comes before what is written out',
      {},
      {
        DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [REGISTRY]: auth('old') }, credHelpers: { [REGISTRY]: 'test' } }),
      },
    ],
    ['a credential store', {}, { DOCKER_AUTH_CONFIG: JSON.stringify({ credsStore: 'test' }) }],
    [
      'the job’s credentials, where DOCKER_AUTH_CONFIG is no JSON',
      { credentials: [credential(PASSWORD)] },
      { DOCKER_AUTH_CONFIG: 'oops' },
    ],
  ])(
    'are pulled with %s',
    async (_title, job, variables: Record<string, string>) => {
      await instance.prepare({ image: { name: IMAGE }, ...job }, variables);
      expect(served.text).toContain('GET /v2/team/app/blobs/');
      expect(instance.log.join('\n')).toMatch(/Pulled 127\.0\.0\.1:5000\/team\/app:1 in \d/);
      expect(instance.warnings).toHaveLength(variables.DOCKER_AUTH_CONFIG === 'oops' ? 1 : 0);
      await expect(instance.run('exit 4')).resolves.toMatchObject({ outcome: { exitCode: 4 } });
      expect(existsSync(path.join(instance.server.home, '.gitlab-spot', 'docker'))).toBe(false);
      expect(instance.log.join('\n')).not.toContain(PASSWORD);
    },
    60_000,
  );

  test.each([
    ['no credentials', []],
    ['wrong ones', [credential('another')]],
  ])(
    'are refused with %s: the job’s own failure, in one sentence',
    async (_title, credentials) => {
      const prepared = instance.prepare({ image: { name: IMAGE }, credentials });
      await expect(prepared).rejects.toThrow(ImageRefused);
      await expect(prepared).rejects.toThrow(
        /^The image 127\.0\.0\.1:5000\/team\/app:1 can't be had: .*(?:unauthorized|no basic auth credentials)/,
      );
    },
    60_000,
  );

  test('are tried by each pull policy in its order', async () => {
    const credentials = [credential(PASSWORD)];
    await instance.prepare({ image: { name: IMAGE, pull_policy: ['never', 'if-not-present'] }, credentials });
    expect(instance.log).toContainEqual(expect.stringMatching(/^Pulled /));
    served.text = '';
    await instance.prepare({ image: { name: IMAGE, pull_policy: ['if-not-present'] }, credentials });
    expect(instance.log).toContainEqual(`Image ${IMAGE}: the one on the instance`);
    expect(served.text).toBe('');
    await instance.prepare({ image: { name: IMAGE, pull_policy: ['always', 'if-not-present'] } });
    expect(instance.log).toContainEqual(
      expect.stringMatching(/^Image \S+: the one on the instance \(the pull failed: .*no basic auth credentials\)$/),
    );
  }, 60_000);

  test('docker in docker by digest, from a mirror, gets the rights that it needs, and a place for its certificates', async () => {
    const credentials = [credential(PASSWORD)];
    await instance.prepare({ image: { name: IMAGE }, credentials });
    const digests = await daemon.docker('image', 'inspect', '--format', '{{index .RepoDigests 0}}', IMAGE);
    const name = `${REGISTRY}/mirror/docker:27-dind@${digests.trim().replace(/^.*@/, '')}`;
    // Who may give no such rights himself, as in a container, sees the daemon refuse its start.
    await instance.prepare({ credentials, services: [{ name, command: ['sleep', '100'] }] }).catch(() => undefined);
    const given = await daemon.docker('inspect', '-f', '{{json .HostConfig}}', 'gitlab-spot-service-0');
    expect(JSON.parse(given)).toMatchObject({
      Privileged: true,
      Binds: expect.arrayContaining(['gitlab-spot-certificates:/certs/client']) as string[],
    });
    await daemon.docker('rm', '-f', 'gitlab-spot-service-0');
    await daemon.docker('rmi', '-f', name);
  }, 60_000);
}
