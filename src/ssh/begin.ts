import { Socket } from 'node:net';
import type { SshTarget } from './types';

/** Begins a TCP connection. Whether it fails is told by the socket, to whoever listens by then. */
export function beginConnection({ address, port }: SshTarget): Socket {
  // A socket of our own: ssh2's JavaScript ciphers write in small pieces, which Nagle and delayed
  // ACK would hold back.
  const socket = new Socket().setNoDelay(true);
  // An error without a listener would end the process.
  socket.on('error', () => {});
  return socket.connect(port, address);
}
