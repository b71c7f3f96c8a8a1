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
  readonly mem_limit: string;
  readonly ulimits: { readonly core: number };
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
      '${GITLAB_REGISTRY_PORT:-5050}:${GITLAB_REGISTRY_PORT:-5050}',
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

describe('limits', () => {
  it.each(Object.entries(compose.services))(
    '%s has a bound on its memory and leaves no core dump',
    (_name, service) => {
      expect(service.mem_limit).toMatch(/^\$\{\w+_MEMORY:-\d+[mg]\}$/);
      expect(service.ulimits.core).toBe(0);
    },
  );

  it('let the runner hold what CONCURRENT_UPS may start, 480 MB each', () => {
    expect(environment.RUNNER_MEMORY).toBe('1536m');
    expect(1536).toBeGreaterThanOrEqual(1024 + 512 * Number(environment.CONCURRENT_UPS));
  });
});

describe('gitlab-spot.rb', () => {
  const rb = read('gitlab/gitlab-spot.rb');

  it('lets GitLab hold a runner’s question until there is a job', () => {
    expect(rb).toMatch(/^gitlab_workhorse\['api_ci_long_polling_duration'\] = '50s'$/m);
  });

  it('starts a registry only where .env names its address', () => {
    expect(environment.GITLAB_REGISTRY_URL).toBe('');
    expect(rb).toMatch(
      /if ENV\.fetch\('SPOT_REGISTRY_URL', ''\) != ''\n {2}registry_external_url .+\nelse\n {2}registry\['enable'\] = false/,
    );
  });

  it('names no variable that compose.yaml does not set', () => {
    const named = [...rb.matchAll(/ENV(?:\.fetch\(|\[)'(\w+)'/g)].map((match) => match[1]!);
    expect(Object.keys(compose.services.gitlab.environment)).toEqual(expect.arrayContaining([...new Set(named)]));
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

  it('every image can be pinned by its digest', () => {
    const images = [...dockerfile.matchAll(/^FROM (\S+\/\S+)/gm)].map((match) => match[1]!);
    for (const image of [...images, compose.services.gitlab.image]) expect(image).toMatch(/\$\{\w+_DIGEST(:-)?\}$/);
    expect(images.length).toBeGreaterThan(0);
  });

  it('the image has an SBOM of what it runs', () => {
    expect(dockerfile).toContain('npm sbom --omit=dev --sbom-format=cyclonedx >sbom.cdx.json');
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
