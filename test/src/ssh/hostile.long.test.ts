import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { connect, ImageUnfit, KeyRemoved, StageBroken, waitForSsh } from '../../../src/ssh';
import { openClient } from '../../../src/ssh/client';
import { generateHostKeyPair } from '../../../src/ssh/keys';
import { prepareJob, type HookRun } from '../../support/ssh/run-hook';
import { flood, nonceIn, startHostile, type Answer, type HostileServer } from '../../support/ssh/hostile';
import { startStage } from '../../support/ssh/stages';
import { startServer } from '../../support/ssh/servers';

const MIB = 1024 * 1024;
let server: HostileServer;
afterEach(() => server.stop());

const frame = (nonce: string, text: string): string => `\x1e\x02${nonce} ${text}\x03`;

/** Everything that is asked gets this answer. */
async function hostile(...how: Parameters<typeof startHostile>): Promise<void> {
  server = await startHostile(...how);
}

describe('a command on an instance', () => {
  it.each(['stdout', 'stderr'] as const)('that answers without end on %s is ended at 64 KiB', async (stream) => {
    await hostile((channel, command) => {
      const mark = /printf %s%s ([0-9a-f]+) ([0-9a-f]+)/.exec(command)!;
      const out = stream === 'stdout' ? channel : channel.stderr;
      out.write(`${mark[1]}${mark[2]}`);
      flood((chunk) => out.write(chunk), out);
    });
    const connection = await connect(server.target);
    await expect(connection.exec('true')).rejects.toThrow(/answered more than 64 KiB/);
    connection.close();
  });

  it('that never comes to an end is ended at its limit', async () => {
    await hostile(() => {});
    const connection = await connect(server.target);
    await expect(connection.exec('true', { timeoutMs: 50 })).rejects.toThrow(/took longer than 0.05 s/);
    connection.close();
  });

  it('whose login shell ends first is the image’s fault, in one sentence', async () => {
    await hostile((channel) => {
      channel.exit(1);
      channel.close();
    });
    const connection = await connect(server.target);
    await expect(connection.exec('true')).rejects.toThrow(ImageUnfit);
    connection.close();
  });
});

describe('a stage whose instance', () => {
  const forged: readonly (readonly [string, (nonce: string) => string])[] = [
    ['an exit status that is none', (nonce) => frame(nonce, 'attached b') + frame(nonce, 'exit 1e99')],
    ['an exit status above 255', (nonce) => frame(nonce, 'attached b') + frame(nonce, 'exit 256')],
    ['a boot id with a NUL', (nonce) => frame(nonce, 'attached a\0b')],
    ['a frame without an end', (nonce) => `\x1e\x02${nonce} ${'x'.repeat(500)}`],
    ['a frame of 30 KB', (nonce) => frame(nonce, 'x'.repeat(30_000))],
  ];
  it.each(forged)('sends %s fails by the instance’s fault', async (_what, text) => {
    await hostile((channel, command) => channel.write(text(nonceIn(command))));
    const { outcome } = startStage(server.target, 'true');
    await expect(outcome).rejects.toThrow(StageBroken);
    await expect(outcome).rejects.toThrow(/answers with what its supervisor never says/);
  });

  it('takes the login and breaks is given up on after a few tries, ever slower', async () => {
    await hostile((_channel, _command, client) => client.end());
    const startMs = Date.now();
    const { outcome } = startStage(server.target, 'true', { futileTries: 6 });
    await expect(outcome).rejects.toThrow(
      /takes the login, but doesn't run the stage's supervisor \(tried \d+ times\)/,
    );
    expect(server.logins()).toBeLessThan(20);
    // 0.1, 0.2, 0.4 and 0.8 s between them.
    expect(Date.now() - startMs).toBeGreaterThan(1_500);
  });

  it.each([
    ['', Infinity],
    [', and then does not hear us at all,', 1],
  ])('refuses a key that was good%s is final soon, and says what is lost', async (_what, heard) => {
    await hostile(() => {}, true, heard);
    const { outcome } = startStage(server.target, 'true', { refusalMs: 200, request: { reconnectMs: 5_000 } });
    await expect(outcome).rejects.toThrow(KeyRemoved);
    await expect(outcome).rejects.toMatchObject({
      message: expect.stringMatching(/no longer takes the job's key/) as string,
      remedy: expect.stringMatching(/authorized_keys.*is lost/) as string,
    });
  });
});

describe('the run hook', () => {
  const attacks: readonly (readonly [string, Answer])[] = [
    ['output without a mark', (channel) => flood((chunk) => channel.write(chunk), channel)],
    [
      'messages without end',
      (channel) => flood((chunk) => channel.stderr.write(chunk), channel.stderr as unknown as NodeJS.EventEmitter),
    ],
    [
      'output that the runner does not read',
      (channel, command) => {
        channel.write(frame(nonceIn(command), 'attached b'));
        flood((chunk) => channel.write(chunk), channel);
      },
    ],
  ];

  it.each(attacks)('needs no more than 200 MiB under %s', async (_what, answer) => {
    await hostile(answer);
    const job = prepareJob(server.target);
    const hook = job.run('true', { env: { GITLAB_SPOT_RECONNECT_TIMEOUT: '5' } });
    if (/runner does not/.test(_what)) hook.process.stdout!.pause();
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    const peak = peakBytes(hook);
    hook.process.kill('SIGKILL');
    hook.process.stdout!.resume();
    await hook.ended;
    job.remove();
    expect(peak).toBeLessThan(200 * MIB);
  });

  /** Packets that no server of ours sends, and the client's library has to bear. */
  interface Packets {
    channelWindowAdjust(channel: number, bytes: number): void;
    exitSignal(channel: number, name: string, core: boolean, message: string): void;
    exitStatus(channel: number, status: number): void;
    channelEOF(channel: number): void;
    channelSuccess(channel: number): void;
    rekey(): void;
    ping(): void;
    x11(channel: number, window: number, packet: number, from: object): void;
    openssh_authAgent(channel: number, window: number, packet: number): void;
    forwardedTcpip(channel: number, window: number, packet: number, from: object): void;
  }
  const packetsOf = (client: object): Packets => (client as { _protocol: Packets })._protocol;
  const many = (send: (turn: number) => void, times = 10_000): void => {
    for (let turn = 0; turn < times; turn++) send(turn);
  };
  const from = { boundAddr: 'x'.repeat(1000), boundPort: 1, remoteAddr: 'y'.repeat(1000), remotePort: 2 };
  const origin = { originAddr: 'x'.repeat(1000), originPort: 1 };
  const strange: readonly (readonly [string, (packets: Packets) => void])[] = [
    ['10,000 windows that grow', (packets) => many(() => packets.channelWindowAdjust(0, 0xffff_ffff))],
    ['2,000 exit signals', (packets) => many(() => packets.exitSignal(0, 'KILL', true, 'x'.repeat(10_000)), 2_000)],
    ['10,000 exit statuses', (packets) => many((turn) => packets.exitStatus(0, turn * 400_000))],
    ['10,000 ends of output', (packets) => many(() => packets.channelEOF(0))],
    ['10,000 answers to nothing', (packets) => many(() => packets.channelSuccess(0))],
    ['10,000 questions', (packets) => many(() => packets.ping())],
    ['new keys again and again', (packets) => many(() => packets.rekey(), 200)],
    [
      'channels that it opens itself',
      (packets) =>
        many((turn) => {
          packets.x11(turn, 1, 1, origin);
          packets.openssh_authAgent(turn, 1, 1);
          packets.forwardedTcpip(turn, 1, 1, from);
        }, 3_000),
    ],
  ];

  it.each(strange)('bears %s of an sshd of the job’s own, and goes on', async (_what, send) => {
    let attacks = 0;
    const notSent: unknown[] = [];
    const noteFailure = (attack: () => void): void => {
      try {
        attack();
      } catch (error) {
        notSent.push(error);
      }
    };
    await hostile((channel, command, client) => {
      const mark = /printf %s%s ([0-9a-f]+) ([0-9a-f]+)/.exec(command);
      if (mark) channel.write(`${mark[1]}${mark[2]}`);
      else {
        channel.write(frame(nonceIn(command), 'attached b'));
        // What ends the connection is tried twice.
        if (attacks++ < 2) noteFailure(() => send(packetsOf(client)));
        channel.write(`the end${frame(nonceIn(command), 'exit 0')}`);
      }
      channel.exit(0);
      channel.end();
    });
    const job = prepareJob(server.target);
    const peakFile = path.join(job.directory, 'peak');
    const peak = path.resolve(__dirname, '../../support/peak.js');
    const { code, stdout, stderr } = await job.run('true', {
      env: { NODE_OPTIONS: `--require ${peak}`, PEAK_FILE: peakFile },
    }).ended;
    const peakKib = Number(readFileSync(peakFile, 'utf8'));
    job.remove();
    expect({ code, stderr, notSent }).toEqual({ code: 0, stderr: '', notSent: [] });
    expect(stdout.toString()).toContain('the end');
    expect(peakKib * 1024).toBeLessThan(200 * MIB);
  });

  it('ends as a system failure, in one sentence, on a forged frame', async () => {
    await hostile((channel, command) => {
      channel.write(frame(nonceIn(command), 'attached b') + frame(nonceIn(command), 'exit 1e99'));
    });
    const job = prepareJob(server.target);
    const { code, stderr } = await job.run('true').ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/ERROR: the instance at .* answers with what its supervisor never says/);
    expect(stderr).not.toMatch(/defect of gitlab-spot/);
    job.remove();
  });
});

describe('a login at what is no sshd', () => {
  const [host, user] = [generateHostKeyPair('host'), generateHostKeyPair('user')];
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const lines = Buffer.from('x\r\n'.repeat(20_000));
  const bytewise = Buffer.from('SSH-2.0-slow\r\n');
  it.each<[string, (socket: Socket) => void]>([
    ['one line without an end', (socket) => flood((data) => socket.write(data), socket)],
    ['lines without an end', (socket) => [...Array(100)].forEach(() => socket.write(lines))],
    ['a version of 64 KiB', (socket) => socket.write(Buffer.concat([Buffer.from('SSH-2.0-'), chunk]))],
    ['packets of 4 GiB', (socket) => socket.write(Buffer.concat([bytewise, Buffer.alloc(64, 0xff)]))],
    [
      'one byte after the other',
      (socket) => [...bytewise].forEach((_, at) => socket.write(bytewise.subarray(at, at + 1))),
    ],
    ['nothing', () => {}],
  ])('%s ends at its limit, in a sentence', async (_what, send) => {
    const sockets = new Set<Socket>();
    const raw = createServer((socket) => {
      sockets.add(socket.on('error', () => {}));
      send(socket);
    });
    await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve));
    const { port } = raw.address() as AddressInfo;
    server = {
      target: { address: '127.0.0.1', port, user: 'root', privateKey: user.privateKey, hostPublicKey: host.publicKey },
      logins: () => 0,
      stop: () => new Promise((resolve) => raw.close(() => resolve())),
    };
    const startMs = Date.now();
    const login = openClient(server.target, { loginMs: 1_000 });
    await expect(login).rejects.toThrow(/did not complete an SSH login within 1 s|the SSH login at .* failed: /);
    // Not for as long as it sends.
    expect(Date.now() - startMs).toBeLessThan(10_000);
    sockets.forEach((socket) => socket.destroy());
  });
});

describe('a slow login', () => {
  it('has a limit of its own, beside that of a dead port', async () => {
    const slow = await startServer('ssh2', undefined, { loginDelayMs: 400 });
    server = { target: slow.target, logins: () => 0, stop: () => slow.stop() };
    const ssh = await openClient(slow.target, { portMs: 200, loginMs: 20_000 });
    ssh.dispose();
    const log: string[] = [];
    const { signal } = new AbortController();
    (await waitForSsh(slow.target, { limitMs: 20_000, log: (line) => log.push(line), signal })).close();
    expect(log).toHaveLength(1);
  });
});

function peakBytes({ process: { pid } }: HookRun): number {
  const kib = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}
