import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_PORT_MS, openClient } from './client';
import { connectionOf } from './connection';
import { HostKeyMismatch, SshAuthRefused, SshRefused, SshWaitTimeout } from './errors';
import type { SshConnection, SshTarget } from './types';

export interface WaitOptions {
  readonly limitMs: number;
  /**
   * Milliseconds between two tries; an instance's port opens from one moment to the next, and a
   * try at a closed one costs nothing.
   */
  readonly pauseMs?: number;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
  /** Each time that the port is found open. */
  readonly onOpen?: () => void;
}

/**
 * The login may take longer than in a stage: it is the first one, on a machine that is still busy
 * with its boot.
 */
const LOGIN_MS = 60_000;
const REPORT_EVERY_MS = 15_000;

const REFUSED_PAUSES_MS = [1_000, 2_000, 4_000, 5_000];

/**
 * Before the next try after so many logins that were refused. OpenSSH 9.8 and newer count 5 s for
 * each, and hear nothing of an address that has 15 s to its account (PerSourcePenalties): these
 * pauses never bring it there.
 */
export function pauseAfterRefusals(count: number): number {
  return REFUSED_PAUSES_MS[Math.min(count, REFUSED_PAUSES_MS.length) - 1] ?? 0;
}

/**
 * Waits until the instance takes the job's key over SSH, and hands back the open connection (the
 * caller closes it). A refused key is tried again: sshd answers before cloud-init has written the
 * keys. A foreign host key is tried again as well, since sshd may have started before user data
 * replaced its key, and is named when the limit is reached. Throws SshWaitTimeout (HostKeyMismatch
 * if that was the last answer), or the signal's reason.
 */
export async function waitForSsh(target: SshTarget, options: WaitOptions): Promise<SshConnection> {
  // No step of the wall clock moves it.
  const now = (): number => performance.now();
  const start = now();
  const where = `${target.address}:${target.port}`;
  options.log(`Waiting for SSH at ${where} (limit ${Math.round(options.limitMs / 1000)} s)`);
  let reported = start;
  let last: unknown;
  let refusals = 0;
  for (;;) {
    options.signal.throwIfAborted();
    const left = options.limitMs - (now() - start);
    try {
      const ssh = await openClient(target, {
        portMs: Math.max(1, Math.min(DEFAULT_PORT_MS, left)),
        loginMs: Math.max(1, Math.min(LOGIN_MS, left)),
        signal: options.signal,
        ...(options.onOpen ? { onOpen: options.onOpen } : {}),
      });
      return connectionOf(ssh, where);
    } catch (error) {
      options.signal.throwIfAborted();
      const waited = now() - start;
      // A try that the limit cut short says less than the one before it.
      if (last === undefined || left >= DEFAULT_PORT_MS || !(error instanceof SshRefused)) last = error;
      if (waited >= options.limitMs) throw limitReached(where, options.limitMs, last);
      if (now() - reported >= REPORT_EVERY_MS) {
        reported = now();
        options.log(
          `Still waiting for SSH at ${where} after ${Math.round(waited / 1000)} s: ${(error as Error).message}`,
        );
      }
      if (error instanceof SshAuthRefused || error instanceof HostKeyMismatch) refusals++;
      else refusals = 0;
      const pauseMs = Math.max(options.pauseMs ?? 100, pauseAfterRefusals(refusals));
      await sleep(pauseMs, undefined, { signal: options.signal }).catch(() => {});
    }
  }
}

function limitReached(where: string, limitMs: number, last: unknown): Error {
  if (last instanceof HostKeyMismatch) return last;
  const reason = last instanceof Error ? last.message : String(last);
  return new SshWaitTimeout(`SSH at ${where} did not answer within ${Math.round(limitMs / 1000)} s; last: ${reason}`, {
    remedy:
      'Check that the security group lets the executor in (GITLAB_SPOT_EXECUTOR_CIDR) and that the image starts sshd.',
    retryable: true,
    cause: last,
  });
}

export type WaitForSsh = typeof waitForSsh;
