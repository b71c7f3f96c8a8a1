import { createServer, type AddressInfo } from 'node:net';
import { Server, utils, type Connection, type ServerChannel } from 'ssh2';
import { generateHostKeyPair } from '../../../src/ssh/keys';
import type { SshTarget } from '../../../src/ssh/types';

/**
 * An SSH server in the hands of a job that has become root: takes the login, and then does what it
 * likes.
 */
export interface HostileServer {
  readonly target: SshTarget;
  /** Logins so far. */
  logins(): number;
  stop(): Promise<void>;
}

export type Answer = (channel: ServerChannel, command: string, client: Connection) => void;

/**
 * @param heard with `refuses`: connections from the next one on are closed at once, as by sshd's
 * PerSourcePenalties
 */
export async function startHostile(answer: Answer, refuses = false, heard = Infinity): Promise<HostileServer> {
  const host = generateHostKeyPair('host');
  const user = generateHostKeyPair('user');
  const clients = new Set<Connection>();
  let logins = 0;
  if (utils.parseKey(user.publicKey) instanceof Error) throw new Error('no key');
  const ssh = new Server({ hostKeys: [host.privateKey] }, (client) => {
    clients.add(client);
    client.on('error', () => {});
    client.on('close', () => clients.delete(client));
    client.on('authentication', (context) => (refuses ? context.reject(['publickey']) : context.accept()));
    client.on('ready', () => {
      logins++;
      client.on('session', (accept) =>
        accept().on('exec', (acceptExec, _reject, { command }) => {
          const channel = acceptExec();
          channel.on('error', () => {});
          answer(channel, command, client);
        }),
      );
    });
  });
  let connections = 0;
  const sockets = createServer({ noDelay: true }, (socket) => {
    if (++connections > heard)
      socket
        .on('error', () => {})
        .resume()
        .end('Not allowed at this time\r\n');
    else ssh.injectSocket(socket);
  });
  await new Promise<void>((resolve) => sockets.listen(0, '127.0.0.1', resolve));
  const { port } = sockets.address() as AddressInfo;
  return {
    target: { address: '127.0.0.1', port, user: 'root', privateKey: user.privateKey, hostPublicKey: host.publicKey },
    logins: () => logins,
    stop: async () => {
      for (const client of clients) client.end();
      await new Promise((resolve) => sockets.close(resolve));
    },
  };
}

/** Sends without end, as fast as it is taken. */
export function flood(write: (chunk: Buffer) => boolean, stream: NodeJS.EventEmitter): void {
  const chunk = Buffer.alloc(32 * 1024, 'x');
  let open = true;
  stream.once('close', () => (open = false));
  const more = (): void => {
    while (open && write(chunk));
    if (open) stream.once('drain', more);
  };
  more();
}

/** The nonce with which a stage's frames are known, from the command line that starts it. */
export function nonceIn(command: string): string {
  return /\b[0-9a-f]{32}\b/.exec(command)?.[0] ?? '';
}
