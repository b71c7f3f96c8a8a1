import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { configForImage, parseDockerConfig, passwordLogin, type Logins } from '../../../src/containers/credentials';
import { describeWithTool } from '../../support/tools';

/** A user's name ends at a colon. */
const userOf = (key: string): string => key.replaceAll(':', '_');
/** Logins of users that are named as what they are for. */
const logins = (...keys: string[]): Logins =>
  Object.fromEntries(keys.map((key) => [key, passwordLogin(userOf(key), 'secret')]));

/** Image, keys of the sources in their order, the key whose login counts. */
const cases: readonly [image: string, sources: readonly Logins[], key: string | undefined][] = [
  ['me/private', [logins('docker.io')], 'docker.io'],
  ['me/private:1', [logins('https://index.docker.io/v1/')], 'https://index.docker.io/v1/'],
  ['ubuntu', [logins('docker.io')], 'docker.io'],
  ['docker.io/me/private', [logins('docker.io/me', 'docker.io')], 'docker.io/me'],
  ['index.docker.io/me/private', [logins('docker.io')], 'docker.io'],
  ['me/private', [logins('docker.io/you', 'docker.io/me/private')], 'docker.io/me/private'],
  ['r.example/team/app:1', [logins('r.example', 'r.example/team', 'r.example/other')], 'r.example/team'],
  ['r.example/team/app:1', [logins('r.example/team/app', 'r.example/team')], 'r.example/team/app'],
  [`r.example/team/app@sha256:${'0'.repeat(64)}`, [logins('r.example/team/app')], 'r.example/team/app'],
  ['r.example/teams/app', [logins('r.example/team')], undefined],
  ['r.example:5000/app', [logins('r.example')], undefined],
  ['r.example:5000/app', [logins('R.example:5000/')], 'R.example:5000/'],
  ['r.example/app', [logins('https://r.example/v2/')], 'https://r.example/v2/'],
  ['localhost/app', [logins('localhost')], 'localhost'],
  ['r.example/team/app', [logins('r.example'), logins('r.example/team')], 'r.example/team'],
  ['r.example/app', [logins('r.example'), logins('https://r.example')], 'r.example'],
  ['r.example/app', [logins('other.example')], undefined],
  ['app', [], undefined],
];

/** As far as its client asks, and no further: what it is sent stands in `seen`. */
class FakeDaemon {
  readonly seen: string[] = [];
  readonly folder = mkdtempSync(path.join(tmpdir(), 'daemon-'));
  private readonly server: Server = createServer((request, response) => {
    const auth = request.headers['x-registry-auth'];
    if (request.url?.includes('/images/create'))
      this.seen.push(Buffer.from(String(auth ?? ''), 'base64url').toString());
    response.writeHead(200, { 'Api-Version': '1.41', 'Content-Type': 'application/json' }).end('{}');
  });

  start(): Promise<void> {
    return new Promise((resolve) => this.server.listen(path.join(this.folder, 'socket'), resolve));
  }

  async pull(image: string, config: string): Promise<unknown> {
    writeFileSync(path.join(this.folder, 'config.json'), config);
    const env = { PATH: process.env.PATH, DOCKER_CONFIG: this.folder, DOCKER_HOST: `unix://${this.folder}/socket` };
    await promisify(execFile)('docker', ['pull', '--quiet', image], { env });
    return JSON.parse(this.seen.at(-1) || '{}');
  }

  close(): void {
    this.server.close();
    rmSync(this.folder, { recursive: true });
  }
}

describe('the login with which an image is pulled', () => {
  test.each(cases)('%s with %j: %s', (image, sources, key) => {
    const { auths } = JSON.parse(configForImage(image, sources)) as { auths: Logins };
    expect(Object.values(auths)).toEqual(key === undefined ? [] : [passwordLogin(userOf(key), 'secret')]);
  });

  test('user and password may be written out, and a token is passed on', () => {
    const auths = { 'r.example': { username: 'me', password: 'p' }, 'docker.io': { identitytoken: 't' } };
    const sources = [parseDockerConfig(JSON.stringify({ auths }))!.auths];
    expect(JSON.parse(configForImage('r.example/a', sources))).toEqual({
      auths: { 'r.example': passwordLogin('me', 'p') },
    });
    expect(JSON.parse(configForImage('a', sources))).toEqual({
      auths: { 'https://index.docker.io/v1/': { identitytoken: 't' } },
    });
  });

  test.each(['', 'oops', '[]', '{"credsStore":"../../bin/sh"}', '{"credHelpers":{"r.example":"/bin/sh"}}'])(
    '%j is no docker configuration',
    (json) => expect(parseDockerConfig(json)).toBeUndefined(),
  );
});

describeWithTool('what docker’s client sends with that login', { program: 'docker' }, () => {
  let daemon: FakeDaemon;
  beforeAll(() => (daemon = new FakeDaemon()).start());
  afterAll(() => daemon.close());

  test.each(cases)('%s with %j: %s', async (image, sources, key) => {
    const sent = await daemon.pull(image, configForImage(image, sources));
    expect(sent).toEqual(
      key === undefined ? {} : expect.objectContaining({ username: userOf(key), password: 'secret' }),
    );
  });
});
