import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeWithTool, runTool } from '../support/tools';
import { exampleEnvironment, inDeploy } from './files';
import facts from '../fixtures/downloads.json';

const provision = inDeploy('image/provision.sh');

const listed = (environment: Record<string, string> = {}) =>
  runTool(provision, ['downloads'], { env: { PATH: process.env.PATH, ...environment } })
    .stdout.trim()
    .split('\n')
    .map((line) => line.split(' ') as [string, string, string]);

describe('what provision.sh downloads, held to what the owners publish', () => {
  it.each(facts.files)('$name $version for $cpu has the published SHA-256', ({ name, version, cpu, sha256 }) => {
    const variable = `${name.toUpperCase()}_VERSION`;
    const rows = listed({ [variable]: version, PROVISION_CPU: cpu }).filter(
      (row) => row[0] === name && row[1] !== 'checksum',
    );
    expect(rows.map((row) => row[1])).toEqual(rows.map(() => sha256));
    expect(rows.length).toBeGreaterThan(0);
  });

  it('the version that an image gets by default is among them', () => {
    for (const cpu of ['amd64', 'arm64'])
      for (const [name, sha256] of listed({ PROVISION_CPU: cpu }))
        if (sha256 !== 'checksum' && name !== 'gitlab-runner')
          expect(facts.files.filter((file) => file.cpu === cpu).map((file) => file.sha256)).toContain(sha256);
  });

  it.each(['jdk', 'gradle', 'kubectl', 'gitlab-runner'])(
    '%s has a second place, should the first not serve it',
    (name) => {
      const urls = listed().flatMap((row) => (row[0] === name && row[1] !== 'checksum' ? [row[2]] : []));
      expect(new Set(urls).size).toBe(urls.length);
      expect(urls.length).toBeGreaterThanOrEqual(2);
      // Every mirror empty: the owner's own places are left.
      const own = listed({ ADOPTIUM: '', GRADLE: '', KUBERNETES: '', GITLAB_RUNNER: '' }).filter(
        (row) => row[0] === name,
      );
      for (const [, , url] of own) expect(facts.owners).toContain(new URL(url).host);
    },
  );

  it.each([
    ['23.0.2+7', false],
    ['21.0.8+9', true],
    ['25.0.1+8', true],
  ])('asks the Adoptium mirror for JDK %s: %s, as it holds 8, 11, 17, 21 and 25 only', (version, asked) => {
    const urls = listed({ JDK_VERSION: version }).map((row) => row[2]);
    expect(urls.some((url) => url.startsWith('https://mirrors.tuna.tsinghua.edu.cn/Adoptium/'))).toBe(asked);
  });

  it('the runner is the one of .env.example', () => {
    const version = exampleEnvironment().GITLAB_RUNNER_VERSION!;
    for (const [name, , url] of listed()) if (name === 'gitlab-runner') expect(url).toContain(`/v${version}/`);
  });
});

/** provision.sh with a `curl` that serves what the test put at an address, and nothing else. */
describeWithTool('a download', { program: 'curl' }, () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'downloads-'));
    mkdirSync(path.join(directory, 'bin'));
    const curl = '#!/bin/bash\nfor url; do :; done\nwhile [ "$1" != --output ]; do shift; done\n';
    writeFileSync(path.join(directory, 'bin/curl'), `${curl}cp "${directory}/\${url//\\//_}" "$2"\n`);
    chmodSync(path.join(directory, 'bin/curl'), 0o755);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const serve = (url: string, text: string) => writeFileSync(path.join(directory, url.replaceAll('/', '_')), text);
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const file = () => path.join(directory, 'file');
  const fetch = (name: string, environment: Record<string, string> = {}) =>
    runTool(provision, ['fetch', name, file()], {
      env: { PATH: `${path.join(directory, 'bin')}:${process.env.PATH}`, ...environment },
    });
  const mirror = 'https://mirrors.cloud.tencent.com/gradle/gradle-9.9.9-bin.zip';
  const owner = 'https://services.gradle.org/distributions/gradle-9.9.9-bin.zip';
  const gradle = { GRADLE_VERSION: '9.9.9' };

  it('comes from the mirror, checked against the checksum of the file’s owner', () => {
    serve(mirror, 'gradle');
    serve(`${owner}.sha256`, sha256('gradle'));
    expect(fetch('gradle', gradle)).toMatchObject({ exitCode: 0 });
    expect(readFileSync(file(), 'utf8')).toBe('gradle');
  });

  it.each([
    ['does not serve it', undefined, 'does not serve it; trying the next place'],
    ['serves another file', 'forged', 'has another SHA-256'],
  ])('comes from its owner where the mirror %s', (_title, forged, sentence) => {
    if (forged !== undefined) serve(mirror, forged);
    serve(owner, 'gradle');
    serve(`${owner}.sha256`, sha256('gradle'));
    const { exitCode, stdout } = fetch('gradle', gradle);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(sentence);
    expect(readFileSync(file(), 'utf8')).toBe('gradle');
  });

  it('is not used, and not left, when no place has the right one', () => {
    serve(mirror, 'forged');
    serve(owner, 'forged too');
    const { exitCode, stderr } = fetch('gradle', { ...gradle, GRADLE_SHA256: sha256('gradle') });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`no place serves the file with SHA-256 ${sha256('gradle')}`);
    expect(() => readFileSync(file())).toThrow();
  });

  it('of a version whose checksum nobody tells asks for it', () => {
    serve(mirror, 'gradle');
    const { exitCode, stderr } = fetch('gradle', gradle);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('set GRADLE_SHA256');
  });

  describe('of Docker’s key', () => {
    const mirror = 'https://mirrors.aliyun.com/docker-ce/linux/debian/gpg';
    const owner = 'https://download.docker.com/linux/debian/gpg';
    const fingerprint = '9DC858229FC7DD38854AE2D88D81803C0EBFCD88';
    /** A `gpg` that tells the file's own text as its fingerprint. */
    const fetchKey = (environment: Record<string, string> = {}) => {
      const gpg = '#!/bin/sh\nfor file; do :; done\necho "fpr:::::::::$(cat "$file"):"\n';
      writeFileSync(path.join(directory, 'bin/gpg'), gpg, { mode: 0o755 });
      return runTool(provision, ['docker-key', 'linux/debian/gpg', fingerprint, file()], {
        env: { PATH: `${path.join(directory, 'bin')}:${process.env.PATH}`, ...environment },
      });
    };

    it.each([
      ['has it', fingerprint, 'https://mirrors.aliyun.com/docker-ce'],
      ['does not serve it', undefined, 'https://download.docker.com'],
      ['serves another', 'forged', 'https://download.docker.com'],
    ])('takes the first place that has the right one: the mirror %s', (_title, ofMirror, place) => {
      if (ofMirror !== undefined) serve(mirror, ofMirror);
      serve(owner, fingerprint);
      const { exitCode, stdout } = fetchKey();
      expect([exitCode, stdout.trim().split('\n').at(-1)]).toEqual([0, place]);
      expect(readFileSync(file(), 'utf8')).toBe(fingerprint);
    });

    it('asks the owner alone where no mirror is wanted, and uses no other key', () => {
      serve(mirror, fingerprint);
      serve(owner, 'forged');
      const { exitCode, stderr } = fetchKey({ DOCKER_CE: '' });
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining('no place has Docker')]);
      expect(() => readFileSync(file())).toThrow();
    });
  });

  it('finds the runner’s checksum among those of the whole release', () => {
    const release = 'https://gitlab-runner-downloads.s3.amazonaws.com/v19.3.0';
    const name = 'binaries/gitlab-runner-linux-amd64';
    serve(`${release}/${name}`, 'runner');
    serve(
      `${release}/release.sha256`,
      `${sha256('other')} *${name}.gz\n${sha256('runner')} *${name}\n${sha256('x')} *${name}-fips\n`,
    );
    expect(fetch('gitlab-runner', { PROVISION_CPU: 'x86_64' })).toMatchObject({ exitCode: 0 });
  });
});
