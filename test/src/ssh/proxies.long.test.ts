import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { startConnectProxy, type ConnectProxy } from '../../support/connect-proxy';
import { describeUnless, testUnless } from '../../support/skip';
import { startServer, withoutServer, type TestServer } from '../../support/ssh/servers';
import { runStage } from '../../support/ssh/stages';
import { without } from '../../support/tools';

/** What each program asks the proxy for; only curl gets further than that. */
const PROGRAMS: readonly (readonly [program: string, script: string, asked: string])[] = [
  ['curl', 'curl -sS http://origin.test/word', 'GET http://origin.test/word'],
  ['curl', 'curl -sS https://origin.test/ || true', 'CONNECT origin.test:443'],
  ['wget', 'wget -q -O - http://origin.test/word', 'GET http://origin.test/word'],
  ['git', 'git ls-remote https://origin.test/team/app.git || true', 'CONNECT origin.test:443'],
  ['npm', 'npm view left-pad --registry=https://origin.test/ --fetch-retries=0 || true', 'CONNECT origin.test:443'],
  [
    'pip3',
    'PIP_CONFIG_FILE=/dev/null pip3 --disable-pip-version-check download --retries 0 --no-deps -i https://origin.test/simple six || true',
    'CONNECT origin.test:443',
  ],
  [
    'apt-get',
    [
      'mkdir -p apt/lists/partial apt/archives/partial',
      'echo "deb [trusted=yes] http://origin.test/debian stable main" >apt/sources',
      `echo 'Dir::Etc::main "-"; Dir::Etc::parts "-";' >apt/conf`,
      'APT_CONFIG=$PWD/apt/conf apt-get update -o Acquire::Retries=0 -o Dir::State="$PWD/apt" -o Dir::State::lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt" -o Dir::Etc::sourcelist="$PWD/apt/sources" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root || true',
    ].join('\n'),
    'GET http://origin.test/debian/dists/stable/InRelease',
  ],
];

/** An image whose profile names a proxy, as images within a company do. */
describe.each(['ssh2', 'sshd'] as const)('over %s, where the profile names a proxy', (kind) => {
  describeUnless(withoutServer(kind), 'a script', () => {
    let origin: Server;
    let proxy: ConnectProxy;
    let server: TestServer;
    beforeAll(async () => {
      origin = createServer((_request, response) => response.end('through the proxy\n')).listen(0, '127.0.0.1');
      await new Promise((resolve) => origin.once('listening', resolve));
      proxy = await startConnectProxy({ to: (origin.address() as AddressInfo).port });
      server = await startServer(kind);
      const url = `http://127.0.0.1:${proxy.port}`;
      writeFileSync(
        path.join(server.home, '.profile'),
        `export http_proxy=${url} https_proxy=${url} HTTP_PROXY=${url} HTTPS_PROXY=${url} no_proxy=127.0.0.1\n`,
      );
    });
    afterAll(async () => {
      await server.stop();
      await proxy.close();
      origin.close();
    });

    for (const [program, script, asked] of PROGRAMS)
      testUnless(without(program, ['--version']), `has ${program} ask it for ${asked}`, async () => {
        proxy.asked.length = 0;
        const { outcome, log } = await runStage(server.target, `cd "$HOME"\n${script}`);
        expect({ outcome, asked: proxy.asked, log: log.text }).toMatchObject({
          outcome: { kind: 'exited', exitCode: 0 },
          asked: expect.arrayContaining([asked]) as unknown,
        });
      });
  });
});
