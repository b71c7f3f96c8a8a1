import type { MachineUse } from './types';

const ETX = 0x03;
const LONGEST_FRAME = 256;
/** Empty where there is no /proc/sys/kernel/random. */
const BOOT_ID = /^[\w-]{0,64}$/;
/** Blocks of a disk of some exabytes. */
const COUNT = /^\d{1,15}$/;
const EMPTY = Buffer.alloc(0);

/** What the supervisor's standard output consists of (supervisor.sh). */
export interface OutputSink {
  /** The stage's output follows. `boot`: the instance's boot id. */
  attached(boot: string): void;
  /** A piece of the stage's output, byte for byte. */
  output(chunk: Buffer): void;
  /** The stage has ended and all of its output has been handed over. */
  exit(status: number, use: MachineUse | undefined, memoryRanOut: boolean): void;
}

/** What the instance sent is not what the supervisor sends: something else writes in its name. */
export class ForgedFrame extends Error {}

/** An exit status as a frame or message gives it. Throws ForgedFrame. */
export function exitStatus(text: string): number {
  const status = Number(text);
  if (/^\d{1,3}$/.test(text) && status <= 255) return status;
  throw new ForgedFrame('an exit status that is none');
}

/**
 * What the frame of the stage's end says of the machine (measure_use in supervisor.sh), as shares
 * from 0 to 1. What makes no sense is left out: it ends no job.
 */
export function useIn(words: readonly string[]): MachineUse | undefined {
  const [available, memory, busy, ticks, blocks, free] = words.map((word) => (COUNT.test(word) ? Number(word) : NaN));
  const use = {
    ...part('memory', memory! - available!, memory!),
    ...part('cpu', busy!, ticks!),
    ...part('disk', blocks! - free!, blocks!),
  };
  return Object.keys(use).length === 0 ? undefined : use;
}

function part<K extends keyof MachineUse>(name: K, used: number, all: number): { readonly [key in K]?: number } {
  const share = Math.round((used / all) * 1e4) / 1e4;
  return share >= 0 && share <= 1 ? ({ [name]: share } as { readonly [key in K]?: number }) : {};
}

/**
 * Splits the supervisor's standard output into frames and the stage's own bytes. What a login
 * shell's start-up files print before the first frame is dropped, as is what background processes
 * write after the last. Holds back no more than the beginning of a frame. The frames' nonce can be
 * read on the instance, so a frame is checked like anything from outside. `push` throws
 * ForgedFrame.
 */
export class OutputReader {
  private readonly mark: Buffer;
  private held = EMPTY;
  private phase: 'login' | 'stage' | 'ended' = 'login';

  constructor(
    nonce: string,
    private readonly sink: OutputSink,
  ) {
    this.mark = Buffer.from(`\x1e\x02${nonce} `, 'latin1');
  }

  push(chunk: Buffer): void {
    let data = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    this.held = EMPTY;
    while (this.phase !== 'ended' && data.length > 0) {
      const start = data.indexOf(this.mark);
      const end = start < 0 ? -1 : data.indexOf(ETX, start + this.mark.length);
      if (end < 0) {
        this.hold(data, start < 0 ? data.length - this.beginningOfMark(data) : start);
        return;
      }
      this.pass(data.subarray(0, start));
      this.frame(data.toString('latin1', start + this.mark.length, end));
      data = data.subarray(end + 1);
    }
  }

  private hold(data: Buffer, from: number): void {
    this.pass(data.subarray(0, from));
    // A copy: the slice would keep the whole chunk alive.
    this.held = Buffer.from(data.subarray(from));
    if (this.held.length > LONGEST_FRAME) throw new ForgedFrame('a frame without an end');
  }

  private pass(bytes: Buffer): void {
    if (bytes.length > 0 && this.phase === 'stage') this.sink.output(bytes);
  }

  private frame(text: string): void {
    const [word, value = '', ...rest] = text.length > LONGEST_FRAME ? [] : text.split(' ');
    if (word === 'attached' && BOOT_ID.test(value)) {
      this.phase = 'stage';
      this.sink.attached(value);
    } else if (word === 'exit') {
      const status = exitStatus(value);
      this.phase = 'ended';
      this.sink.exit(status, useIn(rest), rest.includes('oom'));
    } else {
      throw new ForgedFrame('a frame that is none');
    }
  }

  /** How many bytes at the end of `data` may be the beginning of a frame. */
  private beginningOfMark(data: Buffer): number {
    for (let at = Math.max(0, data.length - this.mark.length + 1); at < data.length; at++) {
      if (data[at] === 0x1e && this.mark.subarray(0, data.length - at).equals(data.subarray(at)))
        return data.length - at;
    }
    return 0;
  }
}
