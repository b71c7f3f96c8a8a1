/**
 * HTTP and TLS on one port: a TLS connection begins with 0x16. Some calls of the provider use HTTPS
 * whatever its settings say.
 */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import type { Certificates } from './certificates';

export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

const TLS_HANDSHAKE = 0x16;
/** One of the provider's clients puts everything in the query, user data too. */
const LONGEST_REQUEST_LINE_BYTES = 256 * 1024;

/** Listens on 127.0.0.1. Rejects with one sentence when the port is taken. */
export async function listen(
  port: number,
  certificates: Certificates,
  handler: http.RequestListener,
): Promise<Listener> {
  const settings = { keepAliveTimeout: 30_000, maxHeaderSize: LONGEST_REQUEST_LINE_BYTES };
  const plain = http.createServer(settings, handler);
  const secure = https.createServer({ ...settings, key: certificates.key, cert: certificates.cert }, handler);
  const open = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setNoDelay(true);
    socket.once('data', (first) => {
      socket.pause();
      socket.unshift(first);
      (first[0] === TLS_HANDSHAKE ? secure : plain).emit('connection', socket);
      process.nextTick(() => socket.resume());
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new Error(`sandbox cloud: port ${port} of 127.0.0.1 can't be opened (${error.code}); choose another --port`),
      ),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as net.AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
