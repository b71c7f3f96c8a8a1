import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeWithDocker } from '../support/docker';
import { read, root } from './files';

/** .dockerignore's rules in order; the last that fits decides. Only the forms that ours uses. */
const rules = readFileSync(path.join(root, '.dockerignore'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => ({ admits: line.startsWith('!'), fits: pattern(line.replace(/^!/, '')) }));

function pattern(glob: string): RegExp {
  const text = glob.replace(/[.]/g, '\\.').replace(/\*\*\/|\*/g, (stars) => (stars === '*' ? '[^/]*' : '(.*/)?'));
  // A rule for a folder is one for all in it.
  return new RegExp(`^${text}(/|$)`);
}

const admitted = (file: string): boolean => rules.filter(({ fits }) => fits.test(file)).at(-1)?.admits ?? true;

describe('.dockerignore', () => {
  const tracked = execFileSync('git', ['ls-files', 'src', 'executor', 'stacks', 'scripts/build.mjs', 'deploy/image'], {
    cwd: root,
    encoding: 'utf8',
  })
    .trim()
    .split('\n');

  it('lets in all that the build reads', () => {
    const copied = [...read('runner/Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
      match[1]!.split(' ').filter((name) => name !== '.'),
    );
    expect([...tracked, ...copied].filter((file) => !admitted(file))).toEqual([]);
  });

  it.each([
    'token',
    'secret',
    'access-token',
    '.env',
    'deploy/.env',
    'deploy/token',
    'deploy/runner/secret',
    'stacks/token',
    'stacks/secret.yaml',
    'src/token',
    'src/settings/access-key.csv',
    'docs/secret',
    'config.toml',
    'id_ecdsa',
    'node_modules/x/index.js',
    'dist/cli/gitlab-spot.js',
    '.git/config',
    'test/deploy/files.ts',
  ])('keeps %s out', (file) => {
    expect(admitted(file)).toBe(false);
  });
});

describeWithDocker('with a real docker engine', (daemon) => {
  let clone: string;
  beforeEach(() => {
    clone = mkdtempSync(path.join(tmpdir(), 'clone-'));
    writeFileSync(path.join(clone, '.dockerignore'), readFileSync(path.join(root, '.dockerignore')));
  });
  afterEach(() => rmSync(clone, { recursive: true }));

  const put = (file: string, text = '', mode = 0o600) => {
    mkdirSync(path.join(clone, path.dirname(file)), { recursive: true, mode: 0o700 });
    writeFileSync(path.join(clone, file), text, { mode });
    chmodSync(path.join(clone, file), mode);
  };

  it('a secret beside the sources does not reach the image', async () => {
    for (const file of ['package.json', 'src/cli/gitlab-spot.ts', 'stacks/instances.yaml']) put(file);
    for (const file of ['token', 'secret', 'deploy/token', 'stacks/secret', 'src/secret.pem', '.env']) put(file);
    put('Dockerfile', 'FROM scratch\nCOPY . /\nCMD ["none"]\n');
    // The Dockerfile is read from outside what is ignored, as ours is.
    await daemon.docker('build', '--file', path.join(clone, 'Dockerfile'), '--tag', 'context', clone);
    const id = (await daemon.docker('create', 'context')).trim();
    const archive = path.join(clone, 'image.tar');
    await daemon.docker('export', '--output', archive, id);
    const files = execFileSync('tar', ['-tf', archive], { encoding: 'utf8' }).split('\n');
    for (const file of ['package.json', 'src/cli/gitlab-spot.ts', 'stacks/instances.yaml'])
      expect(files).toContain(file);
    expect(files.filter((file) => /token|secret|\.env$/.test(file))).toEqual([]);
  }, 120_000);

  it('a clone made under umask 077 makes an image that its user can run', async () => {
    await daemon.importImage('base', ['bash', 'sh', 'cat', 'chmod', 'test', 'id', 'grep', 'kill', 'ln', 'mkdir']);
    put('deploy/runner/entrypoint.sh', read('runner/entrypoint.sh'), 0o700);
    put('stacks/instances.yaml', 'default: small\n');
    // What the two stages do to modes and links, line for line from the real file.
    const steps = read('runner/Dockerfile');
    const modes = /chmod -R u=rwX,go=rX \. && chmod 0755 \S+/.exec(steps)![0];
    const link = /ln -s \S+entrypoint\.sh (\S+)/.exec(steps)!;
    put(
      'Dockerfile',
      [
        'FROM base AS build',
        'WORKDIR /opt/gitlab-spot',
        'COPY . .',
        `RUN ${modes}`,
        'FROM base',
        'COPY --from=build /opt/gitlab-spot /opt/gitlab-spot',
        `RUN mkdir -p /usr/local/bin && ${link[0]}`,
        'USER 990:990',
        `ENTRYPOINT ["${link[1]!}"]`,
      ].join('\n'),
    );
    await daemon.docker('build', '--file', path.join(clone, 'Dockerfile'), '--tag', 'umask', clone);
    const run = await daemon.docker(
      'run',
      '--rm',
      '--network=none',
      'umask',
      'cat',
      '/opt/gitlab-spot/stacks/instances.yaml',
    );
    expect(run).toBe('default: small\n');
  }, 120_000);
});
