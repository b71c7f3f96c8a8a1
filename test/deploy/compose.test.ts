import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import packageJson from '../../package.json';
import { testUnless } from '../support/skip';
import { describeWithTool, runTool, without } from '../support/tools';
import { exampleEnvironment, inDeploy, read, root } from './files';

interface Service {
  readonly image: string;
  readonly build?: { readonly args: Record<string, string> };
  readonly ports?: readonly string[];
  readonly environment: Record<string, string>;
  readonly restart: string;
  readonly init?: boolean;
  readonly healthcheck: { readonly test: readonly string[] };
  readonly stop_grace_period: string;
  readonly volumes: readonly string[];
}

const compose = parse(read('compose.yaml')) as { services: Record<'gitlab' | 'runner', Service> };
const dockerfile = read('runner/Dockerfile');
const environment = exampleEnvironment();

/** `${NAME:-default}` with its default, for every variable of the file. */
const defaults = new Map(
  [...read('compose.yaml').matchAll(/\$\{(\w+):-([^}]*)\}/g)].map((match) => [match[1]!, match[2]!] as const),
);

describe('compose.yaml', () => {
  const { gitlab, runner } = compose.services;

  it('serves the web at 8668, TLS at 8443 and SSH at 6886 unless .env says otherwise', () => {
    expect(gitlab.ports).toEqual([
      '${GITLAB_HTTP_PORT:-8668}:${GITLAB_HTTP_PORT:-8668}',
      '${GITLAB_HTTPS_PORT:-8443}:${GITLAB_HTTPS_PORT:-8443}',
      '${GITLAB_SSH_PORT:-6886}:22',
    ]);
  });

  it.each(Object.entries(compose.services))('%s starts again by itself and tells its health', (_name, service) => {
    expect(service.restart).toBe('unless-stopped');
    expect(service.healthcheck.test[0]).toBe('CMD');
    expect(service.stop_grace_period).toBeDefined();
  });

  it('gives the runner the time to drain, to abort and to clean up before it is killed', () => {
    const grace = /^(\d+)m$/.exec(environment.STOP_GRACE_PERIOD!)!;
    const shutdownTimeoutSeconds = 300;
    expect(Number(grace[1]) * 60).toBeGreaterThanOrEqual(
      Number(environment.DRAIN_SECONDS) + shutdownTimeoutSeconds + 45,
    );
    expect(runner.stop_grace_period).toBe('${STOP_GRACE_PERIOD:-16m}');
    expect(runner.init).toBe(true);
  });

  it('keeps every state in a volume', () => {
    expect(gitlab.volumes.map((volume) => volume.split(':')[1])).toEqual(
      expect.arrayContaining(['/etc/gitlab', '/var/log/gitlab', '/var/opt/gitlab']),
    );
    expect(runner.volumes.map((volume) => volume.split(':')[1])).toEqual(
      expect.arrayContaining(['/etc/gitlab-runner', '/etc/gitlab-spot', '/var/lib/gitlab-spot']),
    );
  });

  it.each([...defaults])('has the same default for %s as .env.example', (name, value) => {
    const expected = { TZ: 'UTC' }[name] ?? environment[name];
    expect({ [name]: value }).toEqual({ [name]: expected });
  });

  it.each(Object.keys(compose.services.runner.build!.args))('hands %s to the Dockerfile, which knows it', (name) => {
    expect(dockerfile).toMatch(new RegExp(`^ARG ${name}=`, 'm'));
  });
});

describe('versions', () => {
  it.each([...dockerfile.matchAll(/^ARG (\w+_VERSION)=(.+)$/gm)].map((match) => [match[1]!, match[2]!]))(
    'the Dockerfile pins %s to %s as .env.example does',
    (name, version) => {
      expect(version).toMatch(/^\d+\.\d+\.\d+/);
      expect(version).toBe(environment[name]);
    },
  );

  it('the provider is the one of the SDK in package.json', () => {
    expect(environment.ALICLOUD_PLUGIN_VERSION).toBe(packageJson.dependencies['@pulumi/alicloud']);
  });

  it('the runner is of GitLab’s version, and the image for instances gets the same', () => {
    expect(environment.GITLAB_VERSION).toBe(`${environment.GITLAB_RUNNER_VERSION}-ce.0`);
    expect(read('image/provision.sh')).toContain(`GITLAB_RUNNER_VERSION:-${environment.GITLAB_RUNNER_VERSION}}`);
  });

  it('every image has a tag', () => {
    const images = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map((match) => match[1]!);
    const stages = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)/gm)].map((match) => match[1]!);
    for (const image of images) if (!stages.includes(image)) expect(image).toMatch(/:\S*\$\{\w+_VERSION\}/);
  });
});

describeWithTool('docker compose', { program: 'docker', args: ['compose', 'version'] }, () => {
  const config = (envFile: string, ...more: string[]) =>
    runTool('docker', ['compose', '--file', inDeploy('compose.yaml'), '--env-file', envFile, 'config', ...more], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, DOCKER_CONFIG: process.env.DOCKER_CONFIG },
    });

  it('takes the file with .env.example, without a warning', () => {
    expect(config(inDeploy('.env.example'), '--quiet')).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });

  it('makes the external URL from host and port', () => {
    const { stdout } = config(inDeploy('.env.example'));
    expect(stdout).toContain('EXTERNAL_URL: http://10.0.0.5:8668');
    expect(stdout).toContain(`context: ${root}`);
  });

  it('says what is missing without an .env', () => {
    const { exitCode, stderr } = config('/dev/null', '--quiet');
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain('set GITLAB_EXTERNAL_URL in .env, such as http://10.0.0.5:8668');
  });
});

describe('Dockerfile', () => {
  testUnless(without('hadolint'), 'has nothing that hadolint objects to', () => {
    const empty = mkdtempSync(path.join(tmpdir(), 'hadolint-'));
    try {
      expect(runTool('hadolint', [inDeploy('runner/Dockerfile')], { cwd: empty }).stdout).toBe('');
    } finally {
      rmSync(empty, { recursive: true });
    }
  });

  it('ends as a user without rights, with an entry point', () => {
    expect(dockerfile).toMatch(/^USER \d+:\d+$/m);
    expect(dockerfile).toMatch(/^ENTRYPOINT \["gitlab-spot-entrypoint"\]$/m);
  });

  it('copies only files that are there', () => {
    const copied = [...dockerfile.matchAll(/^COPY (deploy\S+) /gm)].map((match) => match[1]!);
    for (const file of copied) expect(() => read(file.replace(/^deploy\//, ''))).not.toThrow();
    expect(copied).not.toHaveLength(0);
  });
});
