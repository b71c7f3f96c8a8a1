/**
 * The calls made so far: bounded in memory, complete in calls.jsonl. What is secret is left out.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import path from 'node:path';
import type { Call } from '../types';
import type { Parameters } from './parameters';

const KEPT = 20_000;
const SECRET = new Set(['Signature', 'SecurityToken', 'UserData', 'Password']);

export class CallLog {
  private readonly calls: Call[] = [];
  private readonly file: WriteStream;

  constructor(directory: string) {
    this.file = createWriteStream(path.join(directory, 'calls.jsonl'), { flags: 'a', mode: 0o600 });
    this.file.on('error', () => undefined);
  }

  add(call: Call): void {
    this.calls.push(call);
    if (this.calls.length > KEPT + KEPT / 10) this.calls.splice(0, this.calls.length - KEPT);
    this.file.write(`${JSON.stringify(call)}\n`);
  }

  all(): readonly Call[] {
    return this.calls;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.file.end(() => resolve()));
  }
}

/** Parameters as they may be logged. */
export function withoutSecrets(parameters: Parameters): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parameters)
      .filter(([name]) => name !== 'Signature')
      .map(([name, value]) => [name, SECRET.has(name) ? `(${value.length} characters)` : value]),
  );
}
