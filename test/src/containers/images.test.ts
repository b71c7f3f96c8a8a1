import { Docker } from '../../../src/containers/docker';
import { ContainerFailed, ImageRefused } from '../../../src/containers/errors';
import { jobLogins, provide } from '../../../src/containers/images';
import { prepareContainers } from '../../../src/containers/prepare';
import { waitForService } from '../../../src/containers/services';
import type { ContainerRequest } from '../../../src/containers/request';
import { parseJobResponse } from '../../../src/gitlab/job-response';
import type { SshConnection } from '../../../src/ssh/types';

interface Answer {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly exitCode?: number;
}

/** An instance on which commands that match are answered so, and all others do well. */
function instance(word: RegExp, answer: Answer): SshConnection {
  return {
    exec: (command) => {
      const { stdout = '', stderr = '', exitCode = 0 } = word.test(command) ? answer : {};
      return Promise.resolve({ stdout, stderr, exitCode });
    },
    upload: () => Promise.resolve(),
    close: () => {},
  };
}

/** What is logged where the instance's program for credentials answers this. */
async function warningsAfter(answer: Answer): Promise<readonly string[]> {
  const connection = instance(/docker-credential-/, answer);
  const warnings: string[] = [];
  const request = {
    response: parseJobResponse({})!,
    variables: { DOCKER_AUTH_CONFIG: JSON.stringify({ credHelpers: { 'r.example': 'test' } }) },
    log: { line: () => {}, warn: (text) => warnings.push(text) },
  } satisfies Pick<ContainerRequest, 'response' | 'variables' | 'log'>;
  await jobLogins(new Docker(connection), request as unknown as ContainerRequest);
  return warnings;
}

const NO_CREDENTIALS = 'docker-credential-test on the instance gave no credentials: ';

describe('a program that holds credentials', () => {
  it.each<[string, Answer, string]>([
    ['says why it failed', { stdout: 'credentials not found\n', exitCode: 1 }, 'credentials not found'],
    ['fails without a word', { exitCode: 127 }, 'exit 127'],
    [
      'prints more than the credentials',
      { stdout: 'Logged in.\n{"Username":"me","Secret":"hunter2"}\n' },
      'its answer is not what docker expects',
    ],
    ['leaves the user out', { stdout: '{"Secret":"hunter2"}' }, 'its answer is not what docker expects'],
  ])('that %s is told of, without a secret', async (_what, answer, reason) => {
    expect(await warningsAfter(answer)).toEqual([NO_CREDENTIALS + reason]);
  });
});

test('an image is not pulled without the login that had no room on the instance’s disk', async () => {
  const full = { stderr: 'cat: write error: No space left on device\n', exitCode: 1 };
  const docker = new Docker(instance(/cat >/, full));
  const { image } = parseJobResponse({ image: { name: 'r.example/app' } })!;
  const request = { log: { line: () => {}, warn: () => {} }, pullMs: 1_000 } as unknown as ContainerRequest;
  const provided = provide(docker, image!, [], request);
  await expect(provided).rejects.toThrow(ContainerFailed);
  await expect(provided).rejects.toThrow(/No space left on device/);
});

test.each([
  ['manifest unknown', ImageRefused],
  ['name unknown: repository name not known to registry', ImageRefused],
  ['denied: requested access to the resource is denied', ImageRefused],
  ['failed to register layer: write /usr/lib/big: no space left on device', ImageRefused, 'SPOT_DISK'],
  ['toomanyrequests: You have reached your unauthenticated pull rate limit.', ContainerFailed],
  ['received unexpected HTTP status: 503 Service Unavailable', ContainerFailed],
  ['Get "https://r.example/v2/": dial tcp: lookup r.example: no such host', ContainerFailed],
])('whether another attempt may do is the registry’s word: %s', async (word, kind, remedy = '') => {
  const docker = new Docker(instance(/docker pull/, { stderr: `Error response from daemon: ${word}\n`, exitCode: 1 }));
  const { image } = parseJobResponse({ image: { name: 'r.example/app', pull_policy: 'always' } })!;
  const request = { log: { line: () => {} }, pullMs: 1_000 } as unknown as ContainerRequest;
  const provided = provide(docker, image!, [], request);
  await expect(provided).rejects.toThrow(kind);
  await expect(provided).rejects.toMatchObject({
    message: `The image r.example/app can't be had: ${word}`,
    remedy: expect.stringContaining(remedy) as string,
  });
});

/** Prepares a job with an image, whose container is started and looked at with these answers. */
function prepareOn(started: Answer, inspected: Answer): Promise<void> {
  const others = instance(/docker start/, started);
  const connection: SshConnection = {
    ...others,
    exec: (command) => (/docker inspect/.test(command) ? instance(/./, inspected) : others).exec(command),
  };
  return prepareContainers({
    ...{ connection, response: parseJobResponse({ image: { name: 'r.example/app' } })!, variables: {} },
    ...{ buildsDir: '/b', cacheDir: '/c', pullMs: 1_000, serviceMs: 0, entryPointMs: 1_000 },
    ...{ log: { line: () => {}, warn: () => {} }, signal: new AbortController().signal },
  });
}

const DOCKER_29_GONE = 'failed to connect to the docker API at unix:///var/run/docker.sock';

test.each([
  ['that has died', {}, 'Cannot connect to the Docker daemon'],
  ['that is gone, as its version 29 says', { stderr: DOCKER_29_GONE }, DOCKER_29_GONE],
  [
    'whose disk is full',
    {
      stdout: '{"State":{"ExitCode":128,"Error":"failed to create shim task: mkdir /run/x: no space left on device"}}',
      stderr: '',
      exitCode: 0,
    },
    'failed to create shim task: mkdir /run/x: no space left on device',
  ],
])('an image that is not started by a docker %s is not called one without a shell', async (_what, inspected, why) => {
  const dead = { stderr: 'Cannot connect to the Docker daemon\n', exitCode: 1 };
  const prepared = prepareOn(dead, { ...dead, ...inspected });
  await expect(prepared).rejects.toThrow(ContainerFailed);
  await expect(prepared).rejects.toThrow(`Starting the image r.example/app failed: ${why}`);
});

test('an image for another processor is told as one', async () => {
  const started = { stderr: 'exec /bin/sh: exec format error\n', exitCode: 1 };
  const prepared = prepareOn(started, { stdout: '{"State":{"ExitCode":1,"Error":""}}' });
  await expect(prepared).rejects.toThrow(ImageRefused);
  await expect(prepared).rejects.toMatchObject({
    message: 'The image r.example/app does not run a shell: exec /bin/sh: exec format error',
    remedy: expect.stringContaining('processor') as string,
  });
});

test('a service that docker can not be asked about is told with docker’s reason, and is no defect', async () => {
  const dead = { stderr: 'Cannot connect to the Docker daemon\n', exitCode: 1 };
  const { services } = parseJobResponse({ services: [{ name: 'redis:7' }] })!;
  const request = { log: { line: () => {} }, signal: new AbortController().signal, serviceMs: 1_000 };
  const waited = waitForService(
    new Docker(instance(/inspect/, dead)),
    services[0]!,
    0,
    request as unknown as ContainerRequest,
  );
  await expect(waited).rejects.toThrow(ContainerFailed);
  await expect(waited).rejects.toThrow('Looking at the service redis:7 failed: Cannot connect to the Docker daemon');
});
