import { createHash, randomBytes } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Client, ClientChannel } from 'ssh2';
import { generateKeyPair } from '../../../sandbox/instance/keys';
import {
  exec,
  follow,
  login,
  run,
  testMachine,
  type Outcome,
  type Running,
  type TestMachine,
} from './support/machines';
import { describeEachKind } from './support/kinds';

async function sha256(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** ssh2's client sends no signal once it has ended its input; OpenSSH's does. */
function signalAfterEof(channel: ClientChannel, name: string): void {
  type Client = { _protocol: { signal(id: number, name: string): void } };
  const { _client: client } = channel as unknown as { _client: Client };
  client._protocol.signal((channel as unknown as { outgoing: { id: number } }).outgoing.id, name);
}

describeEachKind('what a login finds on an instance', (kind) => {
  let instance: TestMachine;
  let client: Client;
  beforeAll(async () => {
    instance = await testMachine(kind, { userData: '#cloud-config\nusers: [{ name: builder }]\n' });
    client = await instance.connect();
  });
  afterAll(() => instance.dispose());

  const cases: readonly [what: string, command: string, expected: Partial<Outcome>][] = [
    ['tells the exit status', 'exit 42', { code: 42 }],
    ['tells exit status 255 as any other', 'exit 255', { code: 255 }],
    ['keeps both outputs apart', 'echo out; echo err >&2', { stdout: 'out\n', stderr: 'err\n' }],
    ['passes output without a newline at its end', 'printf end', { stdout: 'end' }],
    ['tells the signal that ended the shell', 'kill -KILL $$', { code: null, signal: 'SIGKILL' }],
    [
      'gives pipes, which can be opened again by their names',
      'echo a > /dev/stdout; echo b > /dev/stderr',
      { stdout: 'a\n', stderr: 'b\n' },
    ],
    ['ends standard input when the client does', 'cat; echo done', { stdout: 'done\n' }],
    ['says 127 for a command that is not there', 'no-such-command 2>/dev/null', { code: 127 }],
    [
      'starts in the home directory of the instance',
      'test "$PWD" = "$HOME" && case $HOME in "$SANDBOX_ROOT"/*) ;; *) false; esac',
      { code: 0 },
    ],
    ['leads a session of its own', 'test "$(ps -o sid= -p $$ | tr -d " ")" = $$', { code: 0 }],
    ['names the user', 'echo $USER $LOGNAME', { stdout: `${userInfo().username} ${userInfo().username}\n` }],
    [
      'finds its instance id and the metadata service',
      'echo $SANDBOX_INSTANCE_ID $SANDBOX_METADATA_URL',
      { stdout: 'i-test0001 http://127.0.0.1:1/-/metadata/i-test0001\n' },
    ],
    [
      'knows nothing of the host environment',
      'echo ${JEST_WORKER_ID-unset} ${NODE_ENV-unset}',
      { stdout: 'unset unset\n' },
    ],
    ['has no terminal unless asked for', 'tty', { code: 1, stdout: 'not a tty\n' }],
    ['has neither docker nor gitlab-runner', 'command -v docker gitlab-runner || echo none', { stdout: 'none\n' }],
  ];
  test.each(cases)('%s', async (_what, command, expected) => {
    expect(await run(client, command)).toMatchObject(expected);
  });

  test('keeps the channel open while a background process holds its output', async () => {
    const command = await exec(
      client,
      'mkfifo $HOME/fifo; sh -c "read line < $HOME/fifo; echo late" & echo early',
      {},
      '',
    );
    await command.saw('early');
    expect(await run(client, 'echo go > $HOME/fifo; rm $HOME/fifo')).toMatchObject({ code: 0 });
    expect(await command.outcome).toMatchObject({ code: 0, stdout: 'early\nlate\n' });
  });

  test('reads the instance’s own etc/profile.d in a login shell, and only there', async () => {
    const profile =
      'mkdir -p $SANDBOX_ROOT/etc/profile.d; echo "export JDK=17 PATH=/opt/jdk/bin:\\$PATH" > $SANDBOX_ROOT/etc/profile.d/jdk.sh';
    expect(await run(client, profile)).toMatchObject({ code: 0 });
    const ask = 'echo "${JDK-unset} ${PATH%%:*}"';
    expect(await run(client, `bash -l -c '${ask}'`)).toMatchObject({ stdout: '17 /opt/jdk/bin\n' });
    expect(await run(client, `sh -l -c '${ask}'`)).toMatchObject({ stdout: '17 /opt/jdk/bin\n' });
    expect((await run(client, ask)).stdout).toMatch(/^unset /);
  });

  test('a shell without a terminal is a login shell that reads its commands', async () => {
    const shell = await new Promise<Running>((resolve, reject) =>
      client.shell(false, (error, stream) => (error ? reject(error) : resolve(follow(stream)))),
    );
    shell.channel.end('shopt -q login_shell && echo login; pwd; exit 3\n');
    expect(await shell.outcome).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/login\n.*\/root\/root\n$/s) as string,
    });
  });

  test('takes LANG and LC_* of the client, and no other variables', async () => {
    const options = { env: { LANG: 'xx', LC_TIME: 'yy', SECRET: 'zz', PATH: '/nowhere' } };
    expect(await run(client, 'echo $LANG $LC_TIME ${SECRET-unset}', options)).toMatchObject({
      stdout: 'xx yy unset\n',
    });
  });

  test('has a terminal of the asked-for size when asked, and tells of its changes', async () => {
    const options = { pty: { term: 'xterm', rows: 33, cols: 77 } };
    const command = await exec(
      client,
      'trap "stty size; exit 5" WINCH; tty; stty size; echo $TERM; echo err >&2; while :; do sleep 0.02; done',
      options,
    );
    await command.saw('err\r\n');
    command.channel.setWindow(44, 88, 0, 0);
    const { code, stdout, stderr } = await command.outcome;
    expect(stdout).toMatch(/^\/dev\/pts\/\d+\r\n33 77\r\nxterm\r\nerr\r\n44 88\r\n$/);
    expect({ code, stderr }).toEqual({ code: 5, stderr: '' });
  });

  test('a terminal echoes, passes ^C as SIGINT, and hangs up when the client goes', async () => {
    const command = await exec(
      client,
      'trap "echo interrupted" INT; cat; echo $$ > $HOME/pty-pid; echo after; read line',
      { pty: true },
    );
    command.channel.write('hello\n');
    await command.saw('hello\r\nhello\r\n');
    command.channel.write('\x03');
    await command.saw('after\r\n');
    expect(command.stdout()).toContain('interrupted');
    command.channel.close();
    await command.outcome;
    const gone = 'until ! kill -0 "$(cat $HOME/pty-pid)" 2> /dev/null; do sleep 0.02; done; echo gone';
    expect(await run(client, gone)).toMatchObject({ stdout: 'gone\n' });
  });

  test('leaves a command alone whose client goes; it only loses its output', async () => {
    const goes = await instance.connect();
    const command = await exec(
      goes,
      'trap "" PIPE; echo $$; until [ -e $HOME/go ]; do sleep 0.02; done; echo lost; echo $? > $HOME/result',
    );
    await command.saw('\n');
    goes.destroy();
    const result = 'touch $HOME/go; until [ -s $HOME/result ]; do sleep 0.02; done; cat $HOME/result';
    expect(await run(client, result)).toMatchObject({ stdout: '1\n' });
  });

  test('opens ten sessions in one connection, not more', async () => {
    const many = await instance.connect();
    const commands = await Promise.all(Array.from({ length: 10 }, () => exec(many, 'cat')));
    await expect(exec(many, 'cat')).rejects.toThrow(/open fail/);
    commands.forEach((command) => command.channel.end('x'));
    expect(await Promise.all(commands.map(async ({ outcome }) => (await outcome).stdout))).toEqual(Array(10).fill('x'));
    // A place is free once sshd has collected the child, a moment after the channel closed.
    const again = (): Promise<Outcome> => run(many, 'echo again').catch(again);
    expect(await again()).toMatchObject({ stdout: 'again\n' });
  });

  test('answers keepalive requests', async () => {
    const kept = await instance.connect({ keepaliveInterval: 100, keepaliveCountMax: 5 });
    expect(await run(kept, 'sleep 1; echo alive')).toMatchObject({ code: 0, stdout: 'alive\n' });
  });

  test('refuses a key that it does not know, a user it does not know, and passwords', async () => {
    const { private: other } = generateKeyPair();
    await expect(instance.connect({ privateKey: other })).rejects.toThrow(/authentication methods failed/);
    await expect(instance.connect({ username: 'nobody-there' })).rejects.toThrow(/authentication methods failed/);
    await expect(login(instance.spec, { password: 'secret' })).rejects.toThrow(/authentication methods failed/);
  });

  test('forwards a connection to a port of the instance', async () => {
    const server = createServer((socket) => socket.end('from inside'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const stream = await new Promise<ClientChannel>((resolve, reject) =>
      client.forwardOut('127.0.0.1', 0, '127.0.0.1', (server.address() as AddressInfo).port, (error, channel) =>
        error ? reject(error) : resolve(channel),
      ),
    );
    expect(await text(stream)).toBe('from inside');
    server.close();
  });

  test('passes 30 MB through both outputs and the input at once, whole', async () => {
    const size = 30_000_000;
    const command = await new Promise<ClientChannel>((resolve, reject) =>
      client.exec('tee /dev/stderr | tee', (error, channel) => (error ? reject(error) : resolve(channel))),
    );
    const digests = Promise.all([sha256(command), sha256(command.stderr)]);
    const input = randomBytes(size);
    command.end(input);
    const expected = createHash('sha256').update(input).digest('hex');
    expect(await digests).toEqual([expected, expected]);
  });

  // sshd refuses signals to a session of root, for want of privilege separation.
  const signals: readonly [user: string, passes: boolean][] = [
    ['root', false],
    ['builder', true],
  ];
  test.each(signals.filter(([user]) => kind === 'ssh2' || user === userInfo().username))(
    'a signal to a command of %s reaches its process group, also after the end of input: %s',
    async (username, passes) => {
      const command = await exec(
        await instance.connect({ username }),
        'trap "echo caught; exit 7" TERM; echo ready; until [ -e $HOME/enough-$USER ]; do sleep 0.05; done; echo end',
        {},
        '',
      );
      await command.saw('ready');
      signalAfterEof(command.channel, 'TERM');
      if (!passes) await run(client, `touch $HOME/enough-${username}`);
      expect(await command.outcome).toMatchObject(passes ? { code: 7 } : { code: 0, stdout: 'ready\nend\n' });
    },
  );
});
