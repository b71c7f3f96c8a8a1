/**
 * Passes a connection on to a server behind a PublicPort, whose faults take effect between the two.
 */
import { connect, type Socket } from 'node:net';
import type { PublicPort } from './public-port';

/** Connects `outer` with `address:port` until either ends. */
export function relay(
  outer: Socket,
  port: PublicPort,
  inner: { readonly address: string; readonly port: number },
): void {
  const behind = connect({ host: inner.address, port: inner.port, noDelay: true });
  const resumeOuter = (): void => void (port.isOpen && outer.resume());
  const close = (): void => void port.opened().then(() => outer.destroy());

  behind.on('connect', resumeOuter);
  outer.on('data', (chunk) => void (behind.write(chunk) || outer.pause()));
  behind.on('drain', resumeOuter);
  behind.on('data', (chunk) => void (outer.write(chunk) || behind.pause()));
  outer.on('drain', () => behind.resume());

  outer.on('end', () => behind.end());
  outer.on('close', () => behind.destroy());
  behind.on('end', () => void port.opened().then(() => outer.end()));
  behind.on('error', close);
  // Pausing is for the first data only, which must not come before `behind` is there.
  outer.pause();
}
