import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describeWithDocker } from '../support/docker';
import { describeUnless } from '../support/skip';
import { without } from '../support/tools';
import { exampleEnvironment, read, root } from './files';

/**
 * compose.yaml with the real engine and compose v2. The image has our build and the lines of the
 * real Dockerfile on user, folders and links; its base is this machine's own programs, and
 * gitlab-runner and the reaper are stand-ins.
 */
jest.setTimeout(180_000);

const PROGRAMS =
  'bash sh cat sleep grep sed xargs find wc rm id env mkdir touch ls tail chmod chown ln install kill node'.split(' ');

const RUNNER = `#!/bin/bash
trap 'echo runner quit; exit 0' QUIT
echo runner ready
while :; do sleep 0.1; done
`;

/** A round of the reaper is what the state folder says; all other commands are our own. */
const COMMAND = `#!/bin/sh
if [ "$1" = reap ]; then [ ! -e /var/lib/gitlab-spot/reap ] || exec sh /var/lib/gitlab-spot/reap; exit 0; fi
exec node /opt/gitlab-spot/dist/cli/gitlab-spot.js "$@"
`;

/** From the real file what needs no package of the base's. */
function dockerfile(): string {
  const text = read('runner/Dockerfile');
  const folders = /install -d [^&\\]+/.exec(text)![0].replaceAll('gitlab-spot -', '990 -');
  const links = [...text.matchAll(/ln -s \S+ \S+/g)].map(([link]) => link).filter((link) => !/dist\/cli/.test(link));
  const last = text.slice(text.lastIndexOf('\nENV HOME'));
  const lines = /^ENV HOME(?:.*\\\n)*.*$|^(?:USER|WORKDIR|ENTRYPOINT|CMD) .*$/gm;
  return [
    'FROM base',
    'COPY . /opt/gitlab-spot',
    'COPY bin/ /usr/bin/',
    "RUN echo 'gitlab-spot:x:990:990::/var/lib/gitlab-spot:/bin/sh' >>/etc/passwd",
    `RUN mkdir -p /usr/local/bin && ${[folders.trim(), ...links].join(' && ')}`,
    ...(last.match(lines) ?? []),
  ].join('\n');
}

describeUnless(without('docker', ['compose', 'version']), 'docker compose', () => {
  describeWithDocker('in a real engine', (daemon) => {
    let work: string;
    let context: string;

    beforeAll(async () => {
      await daemon.importImage('base', PROGRAMS);
      context = mkdtempSync(path.join(tmpdir(), 'image-'));
      for (const name of ['dist', 'package.json', 'stacks', 'deploy/runner'])
        cpSync(path.join(root, name), path.join(context, name), { recursive: true });
      mkdirSync(path.join(context, 'bin'));
      writeFileSync(path.join(context, 'bin/gitlab-runner'), RUNNER, { mode: 0o755 });
      writeFileSync(path.join(context, 'bin/gitlab-spot'), COMMAND, { mode: 0o755 });
      writeFileSync(path.join(context, 'Dockerfile'), dockerfile());
      const tag = `gitlab-spot-runner:${exampleEnvironment().GITLAB_RUNNER_VERSION}`;
      await daemon.docker('build', '--network=none', '--tag', tag, context);
    });
    afterAll(() => rmSync(context, { recursive: true }));
    beforeEach(() => {
      // What of a clone compose reads.
      work = mkdtempSync(path.join(tmpdir(), 'clone-'));
      for (const name of ['deploy/compose.yaml', 'deploy/image', 'stacks'])
        cpSync(path.join(root, name), path.join(work, name), { recursive: true });
      const environment = { ...exampleEnvironment(), REAP_INTERVAL_SECONDS: '1', DRAIN_SECONDS: '20' };
      const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
      writeFileSync(path.join(work, 'deploy/.env'), `${lines.join('\n')}\n`);
    });
    afterEach(async () => {
      await compose('down', '--volumes', '--timeout', '5');
      rmSync(work, { recursive: true });
    });

    const compose = (...args: string[]) =>
      daemon.docker('compose', '--file', path.join(work, 'deploy/compose.yaml'), '--progress', 'quiet', ...args);
    const up = (...args: string[]) => compose('up', '--detach', '--no-build', ...args, 'runner');
    const inside = (command: string) => compose('exec', '-T', 'runner', 'sh', '-c', command);
    async function said(sentence: string): Promise<void> {
      while (!(await compose('logs', 'runner')).includes(sentence)) await sleep(200);
    }
    const register = () => inside('echo >/etc/gitlab-runner/config.toml');

    it('is up before register, without rights; takes a token by standard input and hands a page out', async () => {
      await up();
      await said('waiting: no runner is registered yet: docker compose exec runner gitlab-spot register');
      expect(await inside('id -u; grep CapEff /proc/self/status')).toMatch(/^990\nCapEff:\s0+\n$/);
      // As docs/operating.md has them; a GitLab is not there.
      const file = path.join(work, 'deploy/compose.yaml');
      const url = 'http://127.0.0.1:9';
      const asked = execFileSync(
        'sh',
        [
          '-c',
          `echo glrt-secret | ${daemon.program} compose --file ${file} exec -T runner gitlab-spot register --url ${url} --token-file /dev/stdin 2>&1 || true`,
        ],
        { encoding: 'utf8' },
      );
      expect(asked).toContain('127.0.0.1:9');
      expect(asked).not.toContain('glrt-secret');
      await compose('exec', '-T', 'runner', 'gitlab-spot', 'cost', '--html', 'october.html');
      await compose('cp', 'runner:/var/lib/gitlab-spot/october.html', work);
      expect(readFileSync(path.join(work, 'october.html'), 'utf8')).toContain('<html');
    });

    it('runs what is registered, also after an upgrade, whose container is another', async () => {
      await up();
      await register();
      await said('runner ready');
      await inside('gitlab-spot-entrypoint health');
      const before = await compose('ps', '--quiet', 'runner');
      await up('--force-recreate');
      await said('runner ready');
      expect(await compose('ps', '--quiet', 'runner')).not.toBe(before);
      expect(await compose('logs', 'runner')).not.toContain('no runner is registered');
    });

    it('is stopped only when the round of the reaper is through', async () => {
      await up();
      await register();
      const state = '/var/lib/gitlab-spot';
      await inside(
        `echo 'echo reap begins; until [ -e ${state}/may-end ]; do sleep 0.1; done; sleep 1; echo reap ends' >${state}/reap; : >/etc/gitlab-spot/env`,
      );
      await said('runner ready');
      await said('reap begins');
      const stopped = compose('stop', 'runner');
      await said('runner quit');
      await inside(`touch ${state}/may-end`);
      await stopped;
      await said('reap ends');
      const [id] = (await compose('ps', '--all', '--quiet', 'runner')).split('\n');
      expect(await daemon.docker('inspect', '--format', '{{.State.ExitCode}}', id!)).toBe('0\n');
    });

    it('says what a clone made under umask 077 needs, and goes on when it has that', async () => {
      const stacks = path.join(work, 'stacks');
      chmodSync(stacks, 0o700);
      chmodSync(path.join(stacks, 'instances.yaml'), 0o600);
      await up();
      await register();
      await said('run `chmod -R go+rX stacks deploy/image` in the clone');
      execFileSync('chmod', ['-R', 'go+rX', 'stacks', 'deploy/image'], { cwd: work });
      await said('runner ready');
    });

    /** As people type it in the clone's deploy folder, with what this test hands in beside its file. */
    async function typed(command: string, beside: object): Promise<void> {
      const deploy = path.join(work, 'deploy');
      writeFileSync(path.join(deploy, 'test.yaml'), JSON.stringify({ services: { runner: beside } }));
      const env = {
        ...process.env,
        PATH: `${path.dirname(daemon.program)}:${process.env.PATH}`,
        COMPOSE_FILE: 'compose.yaml:test.yaml',
      };
      await promisify(execFile)('sh', ['-ec', command], { cwd: deploy, env });
    }

    it('takes an edit of stacks/job.ts, and of what it imports; refuses what does not fit by its line', async () => {
      const modules = path.join(root, 'node_modules');
      await typed('docker compose up -d --no-build runner', {
        volumes: [`${modules}:/opt/gitlab-spot/node_modules:ro`],
      });
      const stacks = path.join(work, 'stacks');
      const check = () => inside('gitlab-spot check 2>&1 || echo exit $?');
      expect(await check()).toContain('/opt/gitlab-spot/stacks/job.ts is the one that was installed.');

      const job = readFileSync(path.join(stacks, 'job.ts'), 'utf8');
      const edited = job.replace('instanceName: stackName,', 'instanceName: `${team}-${stackName}`,');
      writeFileSync(path.join(stacks, 'job.ts'), `import { team } from './team.js';\n${edited}`);
      writeFileSync(path.join(stacks, 'team.ts'), "export const team = 'blue';\n");
      const good = await check();
      expect(good).toContain('/opt/gitlab-spot/stacks/job.ts is right, and counts from the next job on.');
      expect(good).not.toContain('exit');

      writeFileSync(path.join(stacks, 'team.ts'), "export const teem = 'blue';\n");
      const refused = await check();
      expect(refused).toMatch(/job\.ts is not right; jobs go by the one of 20\d\d-/);
      expect(refused).toMatch(/stacks\/job\.ts:1:10: .*'team'/);
      expect(refused).toMatch(/exit 1\n$/);
    });

    // The last: it removes the image.
    it('goes up, back and away as docs/answers.md says, and its Chinese page', async () => {
      const commandsOf = (page: string, title: RegExp) => {
        const [paragraph] = title.exec(readFileSync(path.join(root, 'docs', page), 'utf8'))!;
        return [...paragraph.matchAll(/`(docker [^`]+)`/g)].map(([, command]) => command!.replace(/\n/g, ' '));
      };
      const [replace, ...none] = commandsOf('answers.md', /\*\*Upgrade.*?\n\n/s);
      const remove = commandsOf('answers.md', /\*\*Removal.*?\n\n/s);
      expect(none).toEqual([]);
      expect(commandsOf('answers.zh-CN.md', /\*\*升级.*?\n\n/s)).toEqual([replace]);
      expect(commandsOf('answers.zh-CN.md', /\*\*卸载.*?\n\n/s)).toEqual(remove);

      await up();
      await register();
      await said('runner ready');
      await inside('echo kept >/var/lib/gitlab-spot/passphrase');
      const build = { context, network: 'none', dockerfile: 'Dockerfile' };
      for (const name of ['newer', 'older']) {
        writeFileSync(path.join(context, 'bin/gitlab-runner'), RUNNER.replace('ready', name), { mode: 0o755 });
        await typed(`${replace} runner`, { build });
        await said(`runner ${name}`);
        expect(await inside('cat /var/lib/gitlab-spot/passphrase')).toBe('kept\n');
      }
      for (const command of remove) await typed(command, { build });
      expect(await daemon.docker('ps', '--all', '--quiet')).toBe('');
      expect(await daemon.docker('volume', 'ls', '--quiet')).toBe('');
      expect(await daemon.docker('image', 'ls', '--quiet', 'gitlab-spot-runner')).toBe('');
    });
  });
});
