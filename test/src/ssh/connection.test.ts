import { createServer, type AddressInfo } from 'node:net';
import { Server, utils, type AuthContext, type ParsedKey, type PublicKeyAuthContext } from 'ssh2';
import { Readable } from 'node:stream';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import {
  connect,
  ConnectionLost,
  generateHostKeyPair,
  generateLoginKeyPair,
  HostKeyMismatch,
  quote,
  SshAuthRefused,
  SshRefused,
  SshWaitTimeout,
  waitForSsh,
} from '../../../src/ssh';
import { pauseAfterRefusals } from '../../../src/ssh/wait';
import { startFaultProxy } from '../../support/ssh/fault-proxy';
import { describeEachServer, startServer, type TestServer } from '../../support/ssh/servers';

describeEachServer('connect to', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  it('collects output and exit status of a command', async () => {
    const connection = await connect(server.target);
    await expect(connection.exec('echo out; echo err >&2; exit 3')).resolves.toEqual({
      stdout: 'out\n',
      stderr: 'err\n',
      exitCode: 3,
    });
    connection.close();
  });

  it('feeds standard input, and ends it', async () => {
    const connection = await connect(server.target);
    await expect(connection.exec('tr a-z A-Z', { stdin: 'abc' })).resolves.toMatchObject({ stdout: 'ABC' });
    await expect(connection.exec('cat; echo end')).resolves.toMatchObject({ stdout: 'end\n' });
    connection.close();
  });

  it('uploads a file of the wanted mode, also below a folder and a name that need quoting', async () => {
    const connection = await connect(server.target);
    const content = Buffer.from([0, 255, 10, 13, ...Buffer.from("it's")]);
    const file = path.join(server.home, 'a folder', "it's $HOME");
    await connection.upload(Readable.from([content]), file, 0o640);
    expect(readFileSync(file)).toEqual(content);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    connection.close();
  });

  it('names a foreign host key', async () => {
    const target = { ...server.target, hostPublicKey: generateHostKeyPair('another').publicKey };
    await expect(connect(target)).rejects.toThrow(HostKeyMismatch);
    await expect(connect(target)).rejects.toThrow(/offers the host key SHA256:/);
  });

  it('names a refused key', async () => {
    const target = { ...server.target, privateKey: generateHostKeyPair('another').privateKey };
    await expect(connect(target)).rejects.toThrow(SshAuthRefused);
    await expect(connect(target)).rejects.toThrow(/refuses the job's key for user/);
  });

  it('rejects what is under way when the connection breaks', async () => {
    const proxy = await startFaultProxy(server.target);
    const connection = await connect(proxy.target);
    const command = connection.exec('sleep 5');
    const settled = expect(command).rejects.toThrow(ConnectionLost);
    expect(proxy.cut()).toBe(1);
    await settled;
    await proxy.stop();
  });

  it('waits until the port opens, saying what for', async () => {
    const proxy = await startFaultProxy(server.target);
    proxy.refuse(true);
    const log: string[] = [];
    const waiting = waitForSsh(proxy.target, {
      limitMs: 20_000,
      pauseMs: 10,
      log: (line) => log.push(line),
      signal: new AbortController().signal,
    });
    proxy.refuse(false);
    const connection = await waiting;
    await expect(connection.exec('echo ready')).resolves.toMatchObject({ stdout: 'ready\n' });
    expect(log[0]).toMatch(/^Waiting for SSH at 127\.0\.0\.1:\d+ \(limit 20 s\)$/);
    connection.close();
    await proxy.stop();
  });
});

describe('connect without a server', () => {
  const pair = generateHostKeyPair('x');
  const target = (port: number) => ({
    address: '127.0.0.1',
    port,
    user: 'root',
    privateKey: pair.privateKey,
    hostPublicKey: pair.publicKey,
  });

  it('says that the port refuses', async () => {
    const port = await closedPort();
    await expect(connect(target(port))).rejects.toThrow(SshRefused);
    await expect(connect(target(port))).rejects.toThrow(`127.0.0.1:${port} refuses connections`);
  });

  it('gives up on a server that accepts and stays silent', async () => {
    // What it does not read does not end for it either.
    const server = createServer((socket) => socket.on('error', () => undefined).resume());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(connect(target(port), { loginMs: 50 })).rejects.toThrow('did not complete an SSH login within 0.05 s');
    await new Promise((resolve) => server.close(resolve));
  });

  it('waitForSsh ends at its limit with the last answer', async () => {
    const port = await closedPort();
    const waiting = waitForSsh(target(port), {
      limitMs: 60,
      pauseMs: 5,
      log: () => {},
      signal: new AbortController().signal,
    });
    await expect(waiting).rejects.toThrow(SshWaitTimeout);
    await expect(waiting).rejects.toThrow(/did not answer within 0 s; last: .* refuses connections/);
  });

  it.each([
    ['forward', 3_600_000],
    ['back', -3_600_000],
  ])('waitForSsh ends at its limit, neither earlier nor later, where the clock is set %s', async (_way, stepMs) => {
    const port = await closedPort();
    const [wall, beganMs] = [Date.now, performance.now()];
    const waitedMs = () => performance.now() - beganMs;
    Date.now = () => wall() + (waitedMs() > 50 ? stepMs : 0);
    try {
      const signal = AbortSignal.timeout(5_000);
      const waiting = waitForSsh(target(port), { limitMs: 300, pauseMs: 5, log: () => {}, signal });
      await expect(waiting).rejects.toThrow(SshWaitTimeout);
      expect(waitedMs()).toBeGreaterThanOrEqual(300);
    } finally {
      Date.now = wall;
    }
  });

  it('waitForSsh tells what was there before the limit cut its last try short', async () => {
    const beganMs = Date.now();
    const server = createServer((socket) => {
      socket.on('error', () => {}).resume();
      if (Date.now() - beganMs < 100) socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const signal = new AbortController().signal;
    const waiting = waitForSsh(target(port), { limitMs: 200, pauseMs: 5, log: () => {}, signal });
    await expect(waiting).rejects.toThrow(/last: .*Connection lost before handshake/);
    await new Promise((resolve) => server.close(resolve));
  });

  it('waitForSsh ends at once when it is cancelled', async () => {
    const port = await closedPort();
    const cancel = new AbortController();
    const waiting = waitForSsh(target(port), { limitMs: 60_000, pauseMs: 5, log: () => {}, signal: cancel.signal });
    cancel.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
  });
});

it('waitForSsh asks an sshd that refuses it so seldom that this one goes on hearing it (PerSourcePenalties)', () => {
  let nowS = 0;
  let penaltyEndsS = 0;
  for (let refusals = 1; refusals < 60; refusals++) {
    // As sshd counts: whole seconds, 5 more for each refusal, and none is heard from 15 on.
    penaltyEndsS = Math.max(nowS, penaltyEndsS) + 5;
    expect(penaltyEndsS - Math.floor(nowS)).toBeLessThan(15);
    nowS += pauseAfterRefusals(refusals) / 1000;
  }
});

describe('quote', () => {
  it.each([
    ['plain', 'plain'],
    ['/a/b-c_d.e', '/a/b-c_d.e'],
    ['', "''"],
    ["it's", `'it'\\''s'`],
    ['$(x) `y` "z"', `'$(x) \`y\` "z"'`],
    ['a\nb', "'a\nb'"],
  ])('%j becomes %s', (word, quoted) => expect(quote(word)).toBe(quoted));

  it('refuses a NUL', () => expect(() => quote('a\0b')).toThrow(TypeError));
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

it('logs in with one signed request: no question first, which sshd delays on purpose', async () => {
  const [host, job] = [generateHostKeyPair('host'), await generateLoginKeyPair('job')];
  const asked: string[] = [];
  const server = new Server({ hostKeys: [host.privateKey] }, (connection) =>
    connection
      .on('error', () => undefined)
      .on('authentication', (context: AuthContext) => {
        const { method, key, signature, blob, hashAlgo } = context as PublicKeyAuthContext;
        const own = utils.parseKey(key.data) as ParsedKey;
        asked.push(
          `${method}, ${signature && own.verify(blob!, signature, hashAlgo) === true ? 'signed' : 'unsigned'}`,
        );
        context.accept();
      }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const target = { address: '127.0.0.1', port, user: 'root', privateKey: job.privateKey };
  const connection = await connect({ ...target, hostPublicKey: host.publicKey });
  connection.close();
  await new Promise((resolve) => server.close(resolve));
  expect(asked).toEqual(['publickey, signed']);
});
