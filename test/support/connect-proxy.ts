import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

export interface ConnectProxy {
  readonly port: number;
  /** What it was asked for: `CONNECT host:port`, `GET http://…`. */
  readonly asked: string[];
  close(): Promise<void>;
}

/**
 * A forward proxy. @param to whatever name is asked for, the connection goes to this port of the
 * loopback; `silent`: it never answers
 */
export async function startConnectProxy({
  to,
  user,
}: {
  readonly to: number | 'silent';
  /** `name:password`; left out: anybody may. */
  readonly user?: string;
}): Promise<ConnectProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const may = ({ headers }: IncomingMessage): boolean =>
    user === undefined || headers['proxy-authorization'] === `Basic ${Buffer.from(user).toString('base64')}`;
  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    if (to === 'silent') return;
    if (!may(incoming)) return void outgoing.writeHead(407).end('<html>Who are you?</html>');
    const { pathname, search, host } = new URL(incoming.url ?? '');
    const headers = Object.fromEntries(
      Object.entries(incoming.headers).filter(([name]) => name !== 'proxy-authorization'),
    );
    const onward = request({
      host: '127.0.0.1',
      port: to,
      method: incoming.method,
      path: `${pathname}${search}`,
      headers: { ...headers, host },
    });
    onward.on('response', (answer) => answer.pipe(outgoing.writeHead(answer.statusCode ?? 502, answer.headers)));
    incoming.pipe(onward);
  });
  server.on('connect', (incoming: IncomingMessage, socket: Socket) => {
    asked.push(`CONNECT ${incoming.url}`);
    socket.on('error', () => socket.destroy());
    if (to === 'silent') return;
    if (!may(incoming)) return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const onward = connect(to, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async close() {
      sockets.forEach((socket) => socket.destroy());
      server.close();
      await once(server, 'close');
    },
  };
}
