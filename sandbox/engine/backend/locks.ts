import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { type Clock } from '../clock';
import { CommandError } from '../errors';
import { parseJson } from './json';
import { qualifiedName, type StackReference } from './reference';
import { type Storage } from './storage';

/** Somebody else works on the stack, or died doing so. */
class StackLocked extends CommandError {
  override readonly name = 'StackLocked';
}

interface LockContent {
  pid: number;
  username: string;
  hostname: string;
  timestamp: string;
}

/** The locks of a DIY backend: one file for each process that works on a stack. */
export class Locks {
  private readonly id = randomUUID();

  constructor(
    private readonly storage: Storage,
    private readonly clock: Clock,
  ) {}

  /** Takes the stack's lock and returns what gives it back; throws {@link StackLocked}. */
  async acquire(stack: StackReference): Promise<() => Promise<void>> {
    await this.check(stack);
    const content: LockContent = {
      pid: process.pid,
      username: userInfo().username,
      hostname: hostname(),
      timestamp: this.clock.now(),
    };
    const key = this.key(stack);
    await this.storage.write(key, Buffer.from(JSON.stringify(content)));
    const release = () => this.storage.remove(key);
    try {
      // Two who came at once both see the other here, and both give way.
      await this.check(stack);
    } catch (error) {
      await release();
      throw error;
    }
    return release;
  }

  /** Takes the lock only for as long as `work` runs. */
  async during<T>(stack: StackReference, work: () => Promise<T>): Promise<T> {
    const release = await this.acquire(stack);
    try {
      return await work();
    } finally {
      await release();
    }
  }

  /** Removes every lock of a stack, whoever holds it. */
  async clear(stack: StackReference): Promise<void> {
    for (const key of await this.keys(stack)) await this.storage.remove(key);
  }

  private async check(stack: StackReference): Promise<void> {
    const lines: string[] = [];
    for (const key of await this.keys(stack)) {
      if (key === this.key(stack)) continue;
      const content = await this.storage.read(key);
      if (!content) continue;
      const {
        username,
        hostname: host,
        pid,
        timestamp,
      } = parseJson<LockContent>(content.toString(), 'diy.lockContent');
      const time = String(timestamp).replace(/\.\d+/, '');
      lines.push(`\n  ${this.storage.objectUrl(key)}: created by ${username}@${host} (pid ${pid}) at ${time}`);
    }
    if (lines.length === 0) return;
    throw new StackLocked(
      `the stack is currently locked by ${lines.length} lock(s). Either wait for the other process(es) to end or ` +
        `delete the lock file with \`pulumi cancel\`.${lines.join('')}`,
    );
  }

  private async keys(stack: StackReference): Promise<string[]> {
    const folder = lockFolder(stack);
    return (await this.storage.list(folder)).filter((name) => !name.endsWith('/')).map((name) => `${folder}/${name}`);
  }

  private key(stack: StackReference): string {
    return `${lockFolder(stack)}/${this.id}.json`;
  }
}

function lockFolder(stack: StackReference): string {
  return `.pulumi/locks/${qualifiedName(stack)}`;
}
