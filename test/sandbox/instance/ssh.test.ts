import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { Client, ClientChannel } from 'ssh2';
import type { MachineKind } from '../../../sandbox/instance';
import { exec, run, testMachine, type Outcome, type TestMachine } from './support/machines';

const kinds: readonly MachineKind[] = existsSync('/usr/sbin/sshd') ? ['ssh2', 'sshd'] : ['ssh2'];
if (kinds.length === 1)
  test.skip('the same cases against OpenSSH (skipped: /usr/sbin/sshd is not installed)', () => undefined);

/** ssh2's client sends no signal once it has ended its input; OpenSSH's does. */
function signalAfterEof(channel: ClientChannel, name: string): void {
  type Client = { _protocol: { signal(id: number, name: string): void } };
  const { _client: client } = channel as unknown as { _client: Client };
  client._protocol.signal((channel as unknown as { outgoing: { id: number } }).outgoing.id, name);
}

describe.each(kinds)('an instance with a server of kind %s', (kind) => {
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
      if (!passes) await run(client, 'touch $HOME/enough-$USER');
      expect(await command.outcome).toMatchObject(passes ? { code: 7 } : { code: 0, stdout: 'ready\nend\n' });
    },
  );
});
