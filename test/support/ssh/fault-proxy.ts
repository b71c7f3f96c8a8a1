import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import type { SshTarget } from '../../../src/ssh/types';

/** A TCP proxy before an SSH server that can do what networks do. */
export interface FaultProxy {
  readonly target: SshTarget;
  /** Resets every open connection once; resolves with how many there were. */
  cut(): number;
  /** The next `count` connections are each reset after so many bytes, both directions together. */
  cutEarly(count: number, afterBytes: () => number): void;
  /** How many of these have not come yet. */
  earlyCutsLeft(): number;
  /** After how many bytes connections were reset by them. */
  earlyCuts(): readonly number[];
  /**
   * Packets vanish in both directions, nothing is closed, and new connections hang, until `thaw`.
   */
  freeze(): void;
  thaw(): void;
  /** New connections are refused (accepted and reset) from now on, or no longer. */
  refuse(on: boolean): void;
  /** Bytes that came from the server so far. */
  received(): number;
  stop(): Promise<void>;
}

export async function startFaultProxy(target: SshTarget): Promise<FaultProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let frozen = false;
  let refusing = false;
  let received = 0;
  let early = { count: 0, afterBytes: (): number => 0 };
  const earlyCuts: number[] = [];
  const server = createServer((inner) => {
    inner.on('error', () => {});
    if (refusing) {
      inner.resetAndDestroy();
      return;
    }
    const outer = connect(target.port, target.address);
    const pair = [inner, outer] as const;
    pairs.add(pair);
    inner.setNoDelay(true);
    outer.setNoDelay(true);
    const end = (): void => {
      pairs.delete(pair);
      if (frozen) return;
      inner.destroy();
      outer.destroy();
    };
    outer.on('data', (chunk: Buffer) => (received += chunk.length));
    for (const socket of pair) socket.on('error', () => {}).on('close', end);
    if (frozen) {
      for (const socket of pair) socket.pause();
    } else if (early.count > 0) {
      early.count--;
      const bytes = early.afterBytes();
      forwardUntil(pair, bytes, () => earlyCuts.push(bytes));
    } else {
      inner.pipe(outer);
      outer.pipe(inner);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): number => {
    const count = pairs.size;
    for (const [inner, outer] of pairs) {
      inner.resetAndDestroy();
      outer.resetAndDestroy();
    }
    pairs.clear();
    return count;
  };
  return {
    target: { ...target, address: '127.0.0.1', port: (server.address() as AddressInfo).port },
    cut,
    cutEarly: (count, afterBytes) => (early = { count, afterBytes }),
    earlyCutsLeft: () => early.count,
    earlyCuts: () => earlyCuts,
    freeze: () => {
      frozen = true;
      for (const [inner, outer] of pairs) {
        inner.unpipe(outer);
        outer.unpipe(inner);
        inner.pause();
        outer.pause();
      }
    },
    thaw: () => {
      frozen = false;
      for (const [inner, outer] of pairs) {
        inner.pipe(outer);
        outer.pipe(inner);
      }
    },
    refuse: (on) => (refusing = on),
    received: () => received,
    stop: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Lets so many bytes through, to the byte: the last piece arrives in part. */
function forwardUntil([inner, outer]: readonly [Socket, Socket], limit: number, onCut: () => void): void {
  let left = limit;
  const cut = (): void => {
    if (inner.destroyed) return;
    onCut();
    for (const socket of [inner, outer]) socket.resetAndDestroy();
  };
  for (const [from, to] of [
    [inner, outer],
    [outer, inner],
  ] as const) {
    from.on('data', (chunk: Buffer) => {
      const passed = chunk.subarray(0, left);
      left -= passed.length;
      if (passed.length > 0) to.write(passed);
      // What was written is to arrive, as it does before a line breaks.
      if (passed.length < chunk.length) setImmediate(cut);
    });
  }
}
