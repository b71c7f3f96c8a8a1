import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { hookAlive } from '../../../src/composition/reaper';
import { bootTime, idleSince } from '../../../src/host/boot-clock';
import { preparingRecord } from '../../support/job-record';

let proc: string;
beforeEach(() => (proc = mkdtempSync(path.join(tmpdir(), 'proc-'))));
afterEach(() => rmSync(proc, { recursive: true }));

const put = (name: string, text: string): void => {
  mkdirSync(path.dirname(path.join(proc, name)), { recursive: true });
  writeFileSync(path.join(proc, name), text);
};
/** A process with this start, in hundredths of a second since the kernel's. */
const started = (pid: number | 'self', startTicks: number) =>
  put(`${pid}/stat`, `1 (x) ${['S', 0, 1, 1, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 1, 0, startTicks].join(' ')}`);
/** A kernel that has been up for so many seconds. */
const kernel = (upSeconds: number, bootId = 'b') => {
  put('uptime', `${upSeconds.toFixed(2)} 1.00\n`);
  put('sys/kernel/random/boot_id', `${bootId}\n`);
};

describe('the kernel’s clock', () => {
  test('tells boot and milliseconds', () => {
    kernel(7200);
    started('self', 719_990);
    expect(bootTime(proc)).toEqual({ bootId: 'b', upMs: 7_200_000 });
  });

  test('is not trusted where it tells another time than processes’ starts have', () => {
    kernel(60);
    started('self', 719_990);
    expect(bootTime(proc)).toBeUndefined();
  });

  test('is unknown where there is none', () => expect(bootTime(proc)).toBeUndefined());

  test('of this machine goes on', () => {
    const [first, second] = [bootTime()!, bootTime()!];
    expect(second.bootId).toBe(first.bootId);
    expect(second.upMs).toBeGreaterThanOrEqual(first.upMs);
  });
});

describe('what was written on this clock', () => {
  const now = { bootId: 'b', upMs: 7_200_000 };

  test('is as old as the kernel says', () => {
    started(1, 0);
    expect(idleSince({ bootId: 'b', upMs: 7_100_000 }, now, proc)).toEqual({ ms: 100_000 });
  });

  test('before the host’s or the container’s restart is from before-boot', () => {
    expect(idleSince({ bootId: 'a', upMs: 7_100_000 }, now, proc)).toBe('before-boot');
    started(1, 715_000);
    expect(idleSince({ bootId: 'b', upMs: 7_100_000 }, now, proc)).toBe('before-boot');
    expect(idleSince({ bootId: 'b', upMs: 7_160_000 }, now, proc)).toEqual({ ms: 40_000 });
  });

  test('counts from the kernel’s start where process 1 can’t be seen', () => {
    expect(idleSince({ bootId: 'b', upMs: 1 }, now, proc)).toEqual({ ms: 7_199_999 });
  });
});

describe('a hook', () => {
  const twoHoursAgo = new Date(Date.now() - 7_200_000).toISOString();
  const record = { ...preparingRecord(), hookPid: process.pid, heartbeatAt: twoHoursAgo, writtenAt: bootTime() };

  test('is at work after the clock was set two hours forward', () => expect(hookAlive(record)).toBe(true));

  test('is not, where its number is a younger process’s, or another boot’s', () => {
    expect(hookAlive({ ...record, writtenAt: { ...record.writtenAt!, upMs: 0 } })).toBe(false);
    expect(hookAlive({ ...record, writtenAt: { ...record.writtenAt!, bootId: 'x' } })).toBe(false);
  });
});
