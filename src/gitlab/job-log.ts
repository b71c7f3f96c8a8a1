import type { Writable } from 'node:stream';
import { printable } from '../printable';
import { sectionEnd, sectionStart, type Section } from './sections';

/** What a hook writes for the job's author to read. */
export interface JobLog {
  line(text: string): void;
  warn(text: string): void;
  error(text: string): void;
  open(section: Section): void;
  /** Goes on in a section that an earlier process has opened. */
  resume(section: Section): void;
  /** Ends the open section, if any. */
  close(): void;
}

const COLOUR = { yellow: '\u001b[33m', red: '\u001b[31;1m', reset: '\u001b[0m' } as const;

/**
 * A log on a hook's stdout (prepare and run: the job's log; config and cleanup: hand in stderr).
 */
export function createJobLog(out: Writable, nowMs: () => number = Date.now): JobLog {
  let section: Section | undefined;
  const write = (text: string): void => void out.write(text);
  return {
    line: (text) => write(`${printable(text)}\n`),
    warn: (text) => write(`${COLOUR.yellow}WARNING: ${printable(text)}${COLOUR.reset}\n`),
    error: (text) => write(`${COLOUR.red}ERROR: ${printable(text)}${COLOUR.reset}\n`),
    open(next) {
      this.close();
      section = next;
      write(sectionStart(next, nowMs()));
    },
    resume(opened) {
      section = opened;
    },
    close() {
      if (section) write(`${sectionEnd(section.name, nowMs())}\n`);
      section = undefined;
    },
  };
}
