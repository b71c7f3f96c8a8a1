import { ImageRefused } from '../../../src/containers/errors';
import { besideInterpreter } from '../../../src/containers/stage';
import { ContainerInstance } from '../../support/container-job';
import { describeWithDocker, type DockerDaemon } from '../../support/docker';
import { describeEachServer, type ServerKind } from '../../support/ssh/servers';

const PROGRAMS = ['bash', 'sh', 'cat', 'env', 'sleep', 'touch', 'ls', 'id'];
const SETS_UP = `ENTRYPOINT ["/bin/sh", "-c", "echo setting up; export SETUP=done; cd /tmp; exec \\"$0\\" \\"$@\\""]`;

/**
 * As GitLab's docker executor: the script's shell is started through the image's entry point, in
 * each of the job's stages.
 */
describeWithDocker('the entry point of a job’s image, in a real docker', (daemon) => {
  beforeAll(async () => {
    await daemon.importImage('plain:1', PROGRAMS);
    await daemon.importImage('sets-up:1', PROGRAMS, [SETS_UP]);
    await daemon.importImage('no-shell:1', ['ls']);
  }, 60_000);
  describeEachServer('over', (kind) => cases(daemon, kind));
});

function cases(daemon: DockerDaemon, kind: ServerKind): void {
  let instance: ContainerInstance;
  beforeAll(async () => {
    instance = await ContainerInstance.start(daemon, kind);
  });
  afterAll(() => instance.server.stop());

  const prepare = (name: string, entrypoint?: string[], limits = {}): Promise<void> =>
    instance.prepare({ image: { name, entrypoint, pull_policy: ['never'] } }, {}, limits);

  test('sets what the script finds: variables, folder', async () => {
    await prepare('plain:1', ['/usr/bin/env', 'FOO=bar']);
    expect((await instance.run('echo "[$FOO]"')).log.text).toBe('[bar]\n');
    await prepare('sets-up:1');
    expect((await instance.run('echo "$SETUP $PWD"')).log.text).toBe('setting up\ndone /tmp\n');
    expect((await instance.run('echo "$SETUP" in after_script')).log.text).toBe('setting up\ndone in after_script\n');
  }, 60_000);

  test('leaves outputs, exit codes and signals as they are; files of one stage are there in the next', async () => {
    await prepare('plain:1', ['/usr/bin/env', 'FOO=bar']);
    const { outcome, log } = await instance.run('echo out; echo err >&2; touch /made; sleep 100 & exit 42');
    expect(log.text.split('\n').sort()).toEqual(['', 'err', 'out']);
    expect(outcome).toEqual({ kind: 'exited', exitCode: 42 });
    await expect(instance.run('ls /made && kill -KILL $$')).resolves.toMatchObject({ outcome: { exitCode: 137 } });
    await expect(instance.run('exit 0')).resolves.toMatchObject({ outcome: { exitCode: 0 } });
  }, 60_000);

  test('what is run beside the script runs in its container', async () => {
    await prepare('plain:1');
    const stage = instance.start('echo begun; until [ -e /saved ]; do sleep 0.1; done; echo end');
    await stage.log.contains('begun');
    const save = instance.start('echo saving; touch /saved; exit 3', {
      beside: stage.runId,
      interpreter: besideInterpreter(),
    });
    await expect(save.outcome).resolves.toEqual({ kind: 'exited', exitCode: 3 });
    await expect(stage.outcome).resolves.toEqual({ kind: 'exited', exitCode: 0 });
    expect([save.log.text, stage.log.text]).toEqual(['saving\n', 'begun\nend\n']);
  }, 60_000);

  test('["/bin/sh", "-c"] takes no arguments, and runs the script all the same, by bash where that is', async () => {
    await prepare('plain:1', ['/bin/sh', '-c']);
    const { log, outcome } = await instance.run('words=(one two); echo "${words[1]}"; exit 7');
    expect(log.text).toBe('two\n');
    expect(outcome).toMatchObject({ exitCode: 7 });
  }, 60_000);

  test.each([
    ['an entry point that does not run its arguments', 'plain:1', ['ls', '/bin'], /ls: cannot access/],
    ['an entry point that is not there', 'plain:1', ['/no/such/program'], /\/no\/such\/program.*no such file/i],
    ['an entry point that ends at once, and well', 'plain:1', ['sh', '-c', 'exit 0'], /it ended with exit code 0/],
    ['an image without sh', 'no-shell:1', undefined, /"sh".*not found/],
  ])(
    '%s is the job’s own failure, in one sentence',
    async (_title, name, entrypoint, why) => {
      const prepared = prepare(name, entrypoint);
      await expect(prepared).rejects.toThrow(ImageRefused);
      await expect(prepared).rejects.toThrow(/^The image \S+ does not run a shell: [^\n]+$/);
      await expect(prepared).rejects.toThrow(why);
    },
    60_000,
  );

  test('one that neither runs its arguments nor ends is ended at its limit, and told in the same way', async () => {
    const prepared = prepare('plain:1', ['sh', '-c', 'echo preparing; sleep 1000'], { entryPointMs: 2_000 });
    await expect(prepared).rejects.toThrow(ImageRefused);
    await expect(prepared).rejects.toThrow(
      /^The image plain:1 does not run a shell: its entry point has not run a shell within 2 s$/,
    );
    await expect(daemon.docker('ps', '--quiet', '--filter', 'name=gitlab-spot-build')).resolves.toBe('');
    // In the same place a right one is prepared at once.
    await prepare('plain:1');
    await expect(instance.run('exit 5')).resolves.toMatchObject({ outcome: { exitCode: 5 } });
  }, 60_000);
}
