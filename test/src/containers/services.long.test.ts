import { once } from 'node:events';
import { ImageRefused } from '../../../src/containers/errors';
import { DEFAULT_INTERPRETER } from '../../../src/ssh';
import { ContainerInstance } from '../../support/container-job';
import { describeWithDocker, type DockerDaemon } from '../../support/docker';
import { describeEachServer, type ServerKind } from '../../support/ssh/servers';

const WEB = ['busybox', 'sh', 'sleep', 'env', 'id', 'cat'];
const MULTI = 'first "line"\n  $HOME `id` \\ \'single\'\n\nlast\n';

describeWithDocker('services and variables, in a real docker', (daemon) => {
  beforeAll(async () => {
    // No bash in it.
    await daemon.importImage('web:1', WEB, ['EXPOSE 8080/tcp 8081/tcp 9/udp']);
    await daemon.importImage('web:closed', WEB, ['EXPOSE 9999/tcp']);
    await daemon.importImage('web:plain', WEB);
    await daemon.importImage('web:checked', WEB, ['HEALTHCHECK --interval=1s --retries=30 CMD cat /healthy']);
  }, 60_000);
  describeEachServer('over', (kind) => cases(daemon, kind));
});

function cases(daemon: DockerDaemon, kind: ServerKind): void {
  let instance: ContainerInstance;
  beforeAll(async () => {
    instance = await ContainerInstance.start(daemon, kind);
  });
  afterAll(() => instance.server.stop());

  const image = { name: 'web:1', pull_policy: ['never'] };
  const httpd = (port: number, delayS = 0): string[] => [
    'sh',
    '-c',
    `sleep ${delayS}; busybox mkdir -p /www; echo hello >/www/index.html; exec busybox httpd -f -p ${port} -h /www`,
  ];

  test('are waited for until any of the ports that they expose answers, and stand under each of their aliases', async () => {
    const startMs = Date.now();
    await instance.prepare(
      {
        image,
        services: [{ ...image, alias: 'db, cache main', command: httpd(8081, 2) }],
      },
      {},
      { serviceMs: 20_000 },
    );
    expect(instance.warnings).toEqual([]);
    expect(Date.now() - startMs).toBeGreaterThan(2_000);
    const { log, outcome } = await instance.run(
      'set -e; for name in web db cache main; do busybox wget -q -O - "http://$name:8081/"; done',
    );
    expect(log.text).toBe('hello\n'.repeat(4));
    expect(outcome).toMatchObject({ exitCode: 0 });
  }, 60_000);

  test('are waited for at HEALTHCHECK_TCP_PORT, where it is given, and not at what the image exposes', async () => {
    const service = { ...image, name: 'web:closed', command: httpd(8080, 1) };
    await instance.prepare(
      { image, services: [{ ...service, variables: [{ key: 'HEALTHCHECK_TCP_PORT', value: '8080' }] }] },
      {},
      { serviceMs: 20_000 },
    );
    expect(instance.warnings).toEqual([]);
    await expect(instance.run('busybox wget -q -O - http://web:8080/')).resolves.toMatchObject({
      outcome: { exitCode: 0 },
    });
    await instance.prepare({ image, services: [service] }, {}, { serviceMs: 2_000 });
    expect(instance.warnings).toEqual([expect.stringContaining('web:closed is not ready after 2 s')]);
    await instance.prepare({ image, services: [service] }, {}, { serviceMs: 0 });
    expect(instance.warnings).toEqual([]);
  }, 60_000);

  test('are waited for until their health check passes, and not at all where an image has neither check nor port', async () => {
    const checked = { ...image, name: 'web:checked', command: ['sh', '-c', 'sleep 2; echo >/healthy; exec sleep 100'] };
    const plain = { ...image, name: 'web:plain', command: ['sleep', '100'] };
    const startMs = Date.now();
    await instance.prepare({ image, services: [checked, plain] }, {}, { serviceMs: 20_000 });
    expect(instance.warnings).toEqual([]);
    expect(Date.now() - startMs).toBeGreaterThan(2_000);
  }, 60_000);

  test('outlast `docker system prune` in the script of a job without an image', async () => {
    await instance.prepare({ services: [{ ...image, command: httpd(8080) }] }, {}, { serviceMs: 20_000 });
    const ofService = ['inspect', '-f', '{{(index .NetworkSettings.Networks "gitlab-spot").IPAddress}}'];
    const address = (await daemon.docker(...ofService, 'gitlab-spot-service-0')).trim();
    const interpreter = DEFAULT_INTERPRETER;
    // Without -a, which takes the images of no container too: other tests' of this file.
    const pruned = instance.start('docker system prune -f --volumes >/dev/null', { interpreter });
    await expect(pruned.outcome).resolves.toEqual({ kind: 'exited', exitCode: 0 });
    const asked = instance.start(`exec 3<>/dev/tcp/${address}/8080; echo "GET / HTTP/1.0" >&3; echo >&3; cat <&3`, {
      interpreter,
    });
    await asked.outcome;
    expect(asked.log.text).toContain('hello');
  }, 60_000);

  test('variables arrive whole in image and service: newlines, quotes, dollars, and 100 KB', async () => {
    const long = 'x'.repeat(100_000);
    const job = ['MULTI', 'LONG', 'ODD', 'HASH', 'SECRET'].map((key) => ({ key, value: '', public: key !== 'SECRET' }));
    const variables = { MULTI, LONG: long, ODD: '  #a "b" \'c\' $PATH \\n  ', HASH: '#x', SECRET: 'of the settings' };
    const tell = 'printf "%s|" "$MULTI" "$ODD" "$HASH" "${#LONG}" "${SECRET-unset}" "${OWN-unset}"';
    await instance.prepare(
      {
        image,
        variables: job,
        services: [
          {
            ...image,
            command: ['sh', '-c', `${tell}; echo; sleep 100`],
            variables: [{ key: 'OWN', value: 'own $HASH\nline' }],
          },
        ],
      },
      variables,
    );
    const of = (secret: string, own: string): string =>
      [MULTI, variables.ODD, '#x', '100000', secret, own].map((value) => `${value}|`).join('');
    const { log } = await instance.run(tell);
    expect(log.text).toBe(of('of the settings', 'unset'));
    await expect(daemon.docker('logs', 'gitlab-spot-service-0')).resolves.toBe(`${of('unset', 'own #x\nline')}\n`);
  }, 60_000);

  test('an entry point that is a shell with -c, and an image without bash, run the script all the same', async () => {
    await instance.prepare({ image: { ...image, entrypoint: ['/bin/sh', '-c'] } });
    const { outcome, log } = await instance.run('echo "bash: ${BASH-none}"; exit 3');
    expect(log.text).toBe('bash: none\n');
    expect(outcome).toEqual({ kind: 'exited', exitCode: 3 });
  }, 60_000);

  test('an entry point that sets things up is run before, and one that is turned off is not', async () => {
    const setsUp = ['sh', '-c', 'echo ready >/setup; exec "$@"', 'entry'];
    await instance.prepare({ image: { ...image, entrypoint: setsUp } });
    await expect(instance.run('cat /setup')).resolves.toMatchObject({ outcome: { exitCode: 0 } });
    await instance.prepare({ image: { ...image, entrypoint: [''] } });
    await expect(instance.run('cat /setup')).resolves.toMatchObject({ outcome: { exitCode: 1 } });
  }, 60_000);

  test('image and services share the checkout', async () => {
    await instance.prepare({
      image,
      services: [{ ...image, command: ['sh', '-c', `echo seen >${instance.buildsDir}/by-service; sleep 100`] }],
    });
    const { log } = await instance.run(
      `until [ -s ${instance.buildsDir}/by-service ]; do sleep 0.1; done; cat ${instance.buildsDir}/by-service`,
    );
    expect(log.text).toBe('seen\n');
  }, 60_000);

  test.each([
    ['whose command is not there', { command: ['/no/such/program'] }, /no such file/],
    ['without a command', {}, /no command specified/i],
    [
      'whose user is not there',
      { command: ['sleep', '9'], executor_opts: { docker: { user: 'x' } } },
      /unable to find user x/,
    ],
  ])(
    'a service %s is the job’s own failure, in one sentence',
    async (_what, change, why) => {
      const prepared = instance.prepare({ image, services: [{ ...image, ...change }] });
      await expect(prepared).rejects.toThrow(ImageRefused);
      await expect(prepared).rejects.toThrow(/^Starting the service web:1 failed: [^\n]+$/);
      await expect(prepared).rejects.toThrow(why);
    },
    60_000,
  );

  test('the job’s network is in none of docker’s: neither its own choice, which may be the VPC’s, nor an image’s', async () => {
    const subnetBeside = async (...taken: string[]): Promise<string> => {
      await daemon.docker('rm', '--force', 'gitlab-spot-build');
      await daemon.docker('network', 'prune', '--force');
      for (const range of taken)
        await daemon.docker('network', 'create', '--subnet', `${range}.0.0/16`, `own-${range}`);
      await instance.prepare({ image });
      await expect(instance.run('exit 5')).resolves.toMatchObject({ outcome: { exitCode: 5 } });
      return daemon.docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Subnet}}', 'gitlab-spot');
    };
    expect(await subnetBeside()).toBe('198.18.0.0/24\n');
    expect(await subnetBeside('198.18')).toBe('198.19.0.0/24\n');
    // Rather where docker has it than nowhere; but never where the instance has a route.
    await daemon.docker('network', 'prune', '--force');
    const routed = daemon.startInNetwork('ip', ['route', 'replace', '172.18.0.0/16', 'dev', 'lo']);
    await once(routed, 'exit');
    expect(await subnetBeside('198.18', '198.19')).toMatch(/^172\.(19|2\d|3[01])\./);
  }, 60_000);
}
