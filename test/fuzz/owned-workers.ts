import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { buildSync, stop } from 'esbuild';
import type { OwnedJob } from './owned-job';
import type { Played } from './owned-worker';

/** A process that plays owned jobs, and nothing of a test's own beside them. */
export class OwnedWorker {
  private readonly waiting = new Map<number, { resolve: (played: Played) => void; reject: (error: Error) => void }>();
  private asked = 0;

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const played = JSON.parse(line) as Played;
      this.waiting.get(played.at)?.resolve(played);
      this.waiting.delete(played.at);
    });
    child.once('close', (code) => {
      for (const { reject } of this.waiting.values()) reject(new Error(`the worker has ended with ${code}`));
    });
  }

  static start(): OwnedWorker {
    const folder = mkdtempSync(path.join(tmpdir(), 'owned-worker-'));
    const program = path.join(folder, 'worker.js');
    buildSync({
      entryPoints: [path.join(__dirname, 'owned-worker.ts')],
      bundle: true,
      platform: 'node',
      target: 'node20',
      loader: { '.sh': 'text' },
      external: ['@pulumi/*', '@grpc/grpc-js', 'cpu-features', '*.node'],
      outfile: program,
    });
    void stop();
    return new OwnedWorker(spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] }), folder);
  }

  play(job: OwnedJob): Promise<Played> {
    const at = this.asked++;
    return new Promise((resolve, reject) => {
      this.waiting.set(at, { resolve, reject });
      this.child.stdin!.write(`${JSON.stringify({ at, job })}\n`);
    });
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('close', resolve));
    this.child.stdin!.end();
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Each item through `work`, so many at a time. */
export async function sideBySide<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const done: R[] = [];
  const left = [...items.entries()];
  const next = async (): Promise<void> => {
    for (let one = left.shift(); one; one = left.shift()) done[one[0]] = await work(one[1]);
  };
  await Promise.all(Array.from({ length: atOnce }, next));
  return done;
}
