import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { hostStartMs, processStat } from '../../../src/host/process-owner';

describe('when the host, or the container that we are in, was started', () => {
  let proc: string;
  beforeEach(() => {
    proc = mkdtempSync(path.join(tmpdir(), 'proc-'));
    // The kernel has been up since 2026-11-27 08:00:00 UTC.
    writeFileSync(path.join(proc, 'stat'), 'cpu 1 2 3\nbtime 1795766400\nprocesses 7\n');
  });
  afterEach(() => rmSync(proc, { recursive: true }));

  /**
   * Process 1 with this start (field 22 of its stat), in hundredths of a second since the kernel's.
   */
  const first = (startTicks: number) => {
    const fields = ['S', 0, 1, 1, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 1, 0, startTicks];
    mkdirSync(path.join(proc, '1'));
    writeFileSync(path.join(proc, '1/stat'), `1 (docker-init) ${fields.join(' ')}`);
  };

  it('on a host of its own it is the kernel’s start', () => {
    first(0);
    expect(new Date(hostStartMs(proc)).toISOString()).toBe('2026-11-27T08:00:00.000Z');
  });

  it('in a container that was restarted four hours later it is that', () => {
    first(4 * 3600 * 100);
    expect(new Date(hostStartMs(proc)).toISOString()).toBe('2026-11-27T12:00:00.000Z');
  });

  it('where process 1 can’t be seen it is the kernel’s start', () => {
    expect(new Date(hostStartMs(proc)).toISOString()).toBe('2026-11-27T08:00:00.000Z');
  });
});

describe('whether a process has ended', () => {
  test.each([
    ['it sleeps', 'S', 0x400000, false],
    ['it waits for its parent', 'Z', 0x40010c, true],
    // Its locks are free already, so whoever waited for them may look now.
    ['the kernel takes it apart', 'R', 0x40010c, true],
  ])('%s', (_, state, flags, ended) => {
    const proc = mkdtempSync(path.join(tmpdir(), 'proc-'));
    mkdirSync(path.join(proc, '7'));
    writeFileSync(path.join(proc, '7/stat'), `7 (sh) ${state} 1 7 7 0 -1 ${flags} ${'0 '.repeat(12)}99 0`);
    expect(processStat(7, proc)).toEqual({ ended, parent: 1, session: 7, startTicks: '99' });
    rmSync(proc, { recursive: true });
  });
});
