import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeWithTool, runTool } from '../support/tools';
import { inDeploy, read, root } from './files';

describe('install.sh', () => {
  let work: string;
  let source: string;
  let target: string;

  beforeEach(() => {
    work = mkdtempSync(path.join(tmpdir(), 'install-'));
    source = path.join(work, 'clone');
    target = path.join(work, 'host');
    mkdirSync(path.join(source, 'dist/cli'), { recursive: true });
    writeFileSync(path.join(source, 'dist/cli/gitlab-spot.js'), '// built\n');
    for (const name of ['deploy', 'stacks', 'package.json', 'package-lock.json', 'Pulumi.yaml'])
      cpSync(path.join(root, name), path.join(source, name), { recursive: true });
    // Dependencies are npm's business, and take a minute.
    mkdirSync(path.join(work, 'bin'));
    writeFileSync(path.join(work, 'bin/npm'), '#!/bin/sh\nmkdir -p "$2/node_modules"\n');
    chmodSync(path.join(work, 'bin/npm'), 0o755);
  });
  afterEach(() => rmSync(work, { recursive: true }));

  const install = (...args: string[]) =>
    runTool(path.join(source, 'deploy/install.sh'), ['--root', target, '--no-pulumi', ...args], {
      env: { PATH: `${path.join(work, 'bin')}:${process.env.PATH}`, HOME: work },
    });
  const onHost = (...names: string[]) => path.join(target, ...names);

  it('puts package, command and units in their places, and private folders', () => {
    expect(install()).toMatchObject({ exitCode: 0, stdout: '' });
    expect(readlinkSync(onHost('usr/local/bin/gitlab-spot'))).toBe('/opt/gitlab-spot/dist/cli/gitlab-spot.js');
    expect(existsSync(onHost('opt/gitlab-spot/node_modules'))).toBe(true);
    expect(readdirSync(onHost('etc/systemd/system')).sort()).toEqual(
      expect.arrayContaining(['gitlab-runner.service.d', 'gitlab-spot-reap.service', 'gitlab-spot-reap.timer']),
    );
    for (const folder of ['etc/gitlab-spot', 'var/lib/gitlab-spot'])
      expect(statSync(onHost(folder)).mode & 0o777).toBe(0o700);
  });

  it('changes nothing the second time', () => {
    install();
    const before = runTool('find', [target, '-printf', '%p %i %T@\n']).stdout;
    expect(install().stderr).toContain('nothing was to be changed');
    expect(runTool('find', [target, '-printf', '%p %i %T@\n']).stdout).toBe(before);
  });

  it('only says what it would do with --dry-run', () => {
    const { exitCode, stdout, stderr } = install('--dry-run');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('would run: cp -R');
    expect(stderr).toContain('nothing was changed (--dry-run)');
    expect(existsSync(target)).toBe(false);
  });

  it('refuses a node that the services do not find, before anything is changed', () => {
    const unit = path.join(source, 'deploy/systemd/gitlab-runner.service.d-gitlab-spot.conf');
    writeFileSync(unit, readFileSync(unit, 'utf8').replace(/^Environment=PATH=.*$/m, 'Environment=PATH=/nonexistent'));
    const { exitCode, stderr } = runTool(path.join(source, 'deploy/install.sh'), ['--dry-run', '--no-pulumi'], {
      env: { PATH: `${path.join(work, 'bin')}:${process.env.PATH}`, HOME: work },
    });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('the services find no node')]);
  });

  it('updates, and keeps an instances.yaml that was edited on the host', () => {
    install();
    appendFileSync(onHost('opt/gitlab-spot/stacks/instances.yaml'), '# ours\n');
    writeFileSync(path.join(source, 'dist/cli/gitlab-spot.js'), '// newer\n');
    expect(install().stderr).toContain('keeping your /opt/gitlab-spot/stacks/instances.yaml');
    expect(readFileSync(onHost('opt/gitlab-spot/dist/cli/gitlab-spot.js'), 'utf8')).toBe('// newer\n');
    expect(readFileSync(onHost('opt/gitlab-spot/stacks/instances.yaml'), 'utf8')).toMatch(/# ours\n$/);
    expect(existsSync(onHost('opt/gitlab-spot/stacks/instances.yaml.new'))).toBe(true);
  });

  it('gives each version a folder of its own, so that an update pulls no file from under a hook that runs', () => {
    install();
    const before = realpathSync(onHost('opt/gitlab-spot'));
    const programBefore = path.join(before, 'dist/cli/gitlab-spot.js');
    for (const text of ['// second\n', '// third\n', '// fourth\n', '// fifth\n']) {
      writeFileSync(path.join(source, 'dist/cli/gitlab-spot.js'), text);
      expect(install().exitCode).toBe(0);
      expect(readFileSync(onHost('opt/gitlab-spot/dist/cli/gitlab-spot.js'), 'utf8')).toBe(text);
      // The first is still there after three updates; what has not run for longer goes.
      expect(existsSync(programBefore)).toBe(text !== '// fifth\n');
    }
    expect(readdirSync(onHost('opt/gitlab-spot-releases'))).toHaveLength(4);
  });

  it('takes over an install that had the package itself in /opt/gitlab-spot, with its edited instances.yaml', () => {
    mkdirSync(onHost('opt/gitlab-spot/stacks'), { recursive: true });
    writeFileSync(onHost('opt/gitlab-spot/stacks/instances.yaml'), 'ours: true\n');
    writeFileSync(onHost('opt/gitlab-spot/.instances.shipped'), 'theirs: true\n');
    expect(install().stderr).toContain('keeping your /opt/gitlab-spot/stacks/instances.yaml');
    expect(lstatSync(onHost('opt/gitlab-spot')).isSymbolicLink()).toBe(true);
    expect(readFileSync(onHost('opt/gitlab-spot/stacks/instances.yaml'), 'utf8')).toBe('ours: true\n');
  });

  it('keeps an edited job.ts, too', () => {
    install();
    appendFileSync(onHost('opt/gitlab-spot/stacks/job.ts'), '// ours\n');
    writeFileSync(path.join(source, 'dist/cli/gitlab-spot.js'), '// newer\n');
    expect(install().stderr).toContain('keeping your /opt/gitlab-spot/stacks/job.ts');
    expect(readFileSync(onHost('opt/gitlab-spot/stacks/job.ts'), 'utf8')).toMatch(/\/\/ ours\n$/);
    expect(readFileSync(onHost('opt/gitlab-spot/stacks/job.ts.new'), 'utf8')).not.toMatch(/\/\/ ours\n$/);
  });

  it('keeps what the platform team has put beside it, which its job.ts may import', () => {
    install();
    appendFileSync(onHost('opt/gitlab-spot/stacks/instances.yaml'), '# ours\n');
    mkdirSync(onHost('opt/gitlab-spot/stacks/team'));
    writeFileSync(onHost('opt/gitlab-spot/stacks/team/tags.ts'), 'export {};\n');
    for (const text of ['// newer\n', '// newest\n']) {
      writeFileSync(path.join(source, 'dist/cli/gitlab-spot.js'), text);
      expect(install().stderr).toContain('keeping your /opt/gitlab-spot/stacks/team/tags.ts');
    }
    expect(readFileSync(onHost('opt/gitlab-spot/stacks/team/tags.ts'), 'utf8')).toBe('export {};\n');
    expect(readdirSync(onHost('opt/gitlab-spot/stacks')).filter((name) => name.endsWith('.new'))).toEqual([
      'instances.yaml.new',
    ]);
  });

  it.each(['answers.md', 'answers.zh-CN.md'])('goes up, back and away as %s says', (page) => {
    const built = path.join(source, 'dist/cli/gitlab-spot.js');
    const [before, program] = [readFileSync(built, 'utf8'), onHost('opt/gitlab-spot/dist/cli/gitlab-spot.js')];
    install();
    appendFileSync(onHost('opt/gitlab-spot/stacks/job.ts'), '// ours\n');
    for (const text of ['// newer\n', before]) {
      writeFileSync(built, text);
      expect(install().exitCode).toBe(0);
      expect(readFileSync(program, 'utf8')).toBe(text);
      expect(readFileSync(onHost('opt/gitlab-spot/stacks/job.ts'), 'utf8')).toMatch(/\/\/ ours\n$/);
    }
    const [removal] = /\*\*(Removal|卸载).*?\n\n/s.exec(readFileSync(path.join(root, 'docs', page), 'utf8'))!;
    const named = [...removal.matchAll(/`(\/[\w/.-]+\*?)`/g)].map(([, name]) => `${target}${name}`);
    expect(runTool('sh', ['-c', `rm -rf ${named.join(' ')}`]).exitCode).toBe(0);
    expect(runTool('find', [target, '!', '-type', 'd']).stdout).toBe('');
    expect(runTool('find', [target, '-name', '*gitlab-spot*']).stdout).toBe('');
  });

  it('installs what a clone made under umask 077 has for every user to read', () => {
    chmodSync(path.join(source, 'dist/cli/gitlab-spot.js'), 0o600);
    chmodSync(path.join(source, 'stacks'), 0o700);
    install();
    expect(statSync(onHost('opt/gitlab-spot/dist/cli/gitlab-spot.js')).mode & 0o777).toBe(0o644);
    expect(statSync(onHost('opt/gitlab-spot/stacks')).mode & 0o777).toBe(0o755);
  });

  describeWithTool('without --root', { program: 'unshare', args: ['-rm', 'chroot', '/', 'true'] }, () => {
    // A host of its own: this machine's programs, and nothing else of it.
    const HOST = `
      mkdir "$host"
      for folder in bin sbin lib lib64 usr dev proc; do
        [ -d "/$folder" ] || continue
        mkdir "$host/$folder" && mount --rbind "/$folder" "$host/$folder"
      done
      mkdir -p "$host/clone" "$host/bin-first" "$host/tmp" "$host/etc" "$host/var/lib" "$host/opt/gitlab-spot/stacks"
      mount --bind "$source" "$host/clone"
      mount --bind "$programs" "$host/bin-first"
      touch "$host/tmp/node" && mount --bind "$node" "$host/tmp/node"
      mount -t tmpfs tmpfs "$host/usr/local"
      ln -s /tmp/node "$host/usr/local/node"
      export PATH="/bin-first:/usr/local:$PATH"
      exec chroot "$host" sh -ec 'for round in first second; do /clone/deploy/install.sh --no-pulumi; done
        cat /usr/local/bin/gitlab-spot /opt/gitlab-spot/.installed-as'`;

    it('takes over an older install and puts itself below /, and the second time finds nothing to change', () => {
      for (const name of ['systemctl', 'gitlab-runner', 'useradd']) {
        writeFileSync(path.join(work, 'bin', name), '#!/bin/sh\n');
        chmodSync(path.join(work, 'bin', name), 0o755);
      }
      const variables = { source, host: target, programs: path.join(work, 'bin'), node: process.execPath };
      const answer = runTool('unshare', ['-rm', 'sh', '-ec', HOST], { env: { PATH: process.env.PATH, ...variables } });
      expect(answer).toMatchObject({ exitCode: 0, stdout: '// built\n/opt/gitlab-spot\n' });
      expect(answer.stderr).toMatch(/install: done\. .*install: done; nothing was to be changed/s);
    });
  });

  const dropIn = 'etc/systemd/system/gitlab-runner.service.d/gitlab-spot-user.conf';
  const runnerConfig = (...executors: string[]) => {
    mkdirSync(onHost('etc/gitlab-runner'), { recursive: true });
    const text = executors.map((executor) => `[[runners]]\n  executor = "${executor}"\n`).join('\n');
    writeFileSync(onHost('etc/gitlab-runner/config.toml'), text);
  };

  it.each([[[]], [['custom']]])('lets runner and reaper run as gitlab-spot where the runners are %j', (executors) => {
    runnerConfig(...executors);
    expect(install().exitCode).toBe(0);
    expect(readFileSync(onHost(dropIn), 'utf8')).toMatch(/^User=gitlab-spot$/m);
    expect(readFileSync(onHost('etc/systemd/system/gitlab-spot-reap.service'), 'utf8')).toMatch(/^User=gitlab-spot$/m);
  });

  it('asks before it changes the user of runners of other executors, and leaves root to them', () => {
    runnerConfig('custom', 'docker');
    expect(install()).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('pass --user root') as string });
    expect(existsSync(onHost('opt/gitlab-spot'))).toBe(false);
    expect(install('--user', 'root').exitCode).toBe(0);
    expect(existsSync(onHost(dropIn))).toBe(false);
    expect(readFileSync(onHost('etc/systemd/system/gitlab-spot-reap.service'), 'utf8')).toMatch(/^User=root$/m);
  });

  it.each([
    [['--nonsense'], 2, 'unknown option --nonsense'],
    [['--help'], 0, ''],
  ])('answers to %j', (args, exitCode, sentence) => {
    const answer = install(...args);
    expect(answer.exitCode).toBe(exitCode);
    expect(answer.stderr).toContain(sentence);
  });

  it('asks for a build first', () => {
    rmSync(path.join(source, 'dist'), { recursive: true });
    expect(install()).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('npm run setup') as string });
  });
});

describe('systemd units', () => {
  it('give the runner the time to drain, to abort and to clean up', () => {
    const dropIn = read('systemd/gitlab-runner.service.d-gitlab-spot.conf');
    const drain = Number(/^ExecStop=.* (\d+)$/m.exec(dropIn)![1]);
    const stop = Number(/^TimeoutStopSec=(\d+)$/m.exec(dropIn)![1]);
    expect(stop).toBeGreaterThanOrEqual(drain + 300 + 30);
    expect(existsSync(inDeploy('runner/stop-runner.sh'))).toBe(true);
  });

  it('stop nobody where the runner has ended by itself, of which systemd tells no MAINPID', () => {
    const [, command] = /^ExecStop=.*\/(stop-runner\.sh .*)$/m.exec(
      read('systemd/gitlab-runner.service.d-gitlab-spot.conf'),
    )!;
    // systemd leaves an argument $NAME that is not set out; ${NAME} is one that is empty.
    const asSystemd = command!.replace(/ \$\w+/g, '').replace(/\$\{\w+\}/g, "''");
    const kill = 'kill() { case $2 in *[0-9]*) echo "kill $*" ;; *) return 1 ;; esac; }; sleep() { exit; }';
    const script = `${kill}; set -- ${asSystemd}; shift; . ${inDeploy('runner/stop-runner.sh')}`;
    expect(runTool('sh', ['-c', script])).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });

  it('start also where a file of the state goes while its owner is set, of which chown makes a failure', () => {
    const chowns = readdirSync(inDeploy('systemd')).flatMap(
      (name) => read('systemd', name).match(/^Exec\w+=.*chown -R.*$/gm) ?? [],
    );
    expect(chowns).toHaveLength(3);
    // -H: the state folder may be a link to another disk.
    for (const line of chowns) expect(line).toMatch(/^Exec\w+=\+?-\/bin\/chown -RhH /);
  });

  const services = readdirSync(inDeploy('systemd')).filter((name) => /\.service$|-user\.conf$/.test(name));
  it.each(services)('%s has few rights, a bound on its memory, and leaves no core dump with keys', (name) => {
    const unit = read('systemd', name);
    const limits = name.endsWith('-user.conf') ? unit + read('systemd/gitlab-runner.service.d-gitlab-spot.conf') : unit;
    for (const line of ['NoNewPrivileges=yes', 'ProtectSystem=strict', 'ProtectHome=yes', 'LimitCORE=0'])
      expect(limits.split('\n')).toContain(line);
    expect(limits).toMatch(/^MemoryMax=\d+[%MG]$/m);
    expect(limits).toMatch(/^(User=gitlab-spot|CapabilityBoundingSet=.+)$/m);
  });

  describeWithTool('systemd-analyze', { program: 'systemd-analyze' }, () => {
    it('has nothing to say about them', () => {
      const work = mkdtempSync(path.join(tmpdir(), 'units-'));
      try {
        // As an installed host has them: our programs exist, and the package's own unit of the
        // runner.
        const local = (text: string) => text.replace(/=\/(?:usr\/local\/bin|opt)\/\S+/g, '=/bin/true');
        const units = readdirSync(inDeploy('systemd')).filter((name) => /\.(service|timer)$/.test(name));
        for (const name of units) writeFileSync(path.join(work, name), local(read('systemd', name)));
        writeFileSync(
          path.join(work, 'gitlab-runner.service'),
          '[Unit]\nDescription=GitLab Runner\n[Service]\nExecStart=/bin/true run\n[Install]\nWantedBy=multi-user.target\n',
        );
        mkdirSync(path.join(work, 'gitlab-runner.service.d'));
        for (const name of ['gitlab-spot', 'gitlab-spot-user'])
          writeFileSync(
            path.join(work, `gitlab-runner.service.d/${name}.conf`),
            local(read(`systemd/gitlab-runner.service.d-${name}.conf`)),
          );
        const all = [...units, 'gitlab-runner.service'].map((name) => path.join(work, name));
        const { exitCode, stdout, stderr } = runTool('systemd-analyze', ['verify', '--man=no', ...all]);
        // Only what it says of these files: the machine's own units are not ours to mend.
        expect((stdout + stderr).split('\n').filter((line) => /gitlab/.test(line))).toEqual([]);
        expect(exitCode).toBe(0);
      } finally {
        rmSync(work, { recursive: true });
      }
    });
  });
});
