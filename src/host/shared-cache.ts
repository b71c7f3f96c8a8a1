import { mkdir, readFile, rmdir, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod/mini';

const envelope = z.object({ atMs: z.number(), value: z.unknown() });

export interface CacheOptions<T> {
  readonly directory: string;
  /** File name without ending. */
  readonly key: string;
  readonly maxAgeMs: number;
  /**
   * How long one process waits for another that is asking the same; then it asks itself. Left out:
   * 10 s.
   */
  readonly othersLimitMs?: number;
  /** What a file must hold to count; anything else is fetched anew. */
  readonly schema: z.ZodMiniType<T>;
  readonly now: () => number;
  readonly fetch: () => Promise<T>;
}

const OTHERS_LIMIT_MS = 10_000;
const POLL_MS = 50;

/**
 * A value shared by all processes of the host through a file. If it is older than `maxAgeMs`, one
 * process fetches it while the others wait, up to a limit. A process that dies while it fetches
 * delays the others by that limit at most.
 * @throws what `fetch` throws; nothing is stored then
 */
export async function shared<T>(options: CacheOptions<T>): Promise<T> {
  const file = path.join(options.directory, `${options.key}.json`);
  const asking = `${file}.asking`;
  const { othersLimitMs = OTHERS_LIMIT_MS } = options;
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const known = await fresh(file, options);
    if (known !== undefined) return known.value;
    if ((await took(asking, othersLimitMs)) || waitedMs >= othersLimitMs) break;
    await sleep(POLL_MS);
  }
  try {
    const value = await options.fetch();
    await writeFileAtomic(file, JSON.stringify({ atMs: options.now(), value }), { mode: 0o600 });
    return value;
  } finally {
    await rmdir(asking).catch(() => undefined);
  }
}

async function fresh<T>(file: string, { schema, maxAgeMs, now }: CacheOptions<T>): Promise<{ value: T } | undefined> {
  try {
    const { atMs, value } = envelope.parse(JSON.parse(await readFile(file, 'utf8')));
    const ageMs = now() - atMs;
    // A clock that was set back must not make an old answer eternal.
    return ageMs >= 0 && ageMs <= maxAgeMs ? { value: schema.parse(value) } : undefined;
  } catch {
    return undefined;
  }
}

async function took(asking: string, othersLimitMs: number): Promise<boolean> {
  try {
    await mkdir(asking, { mode: 0o700 });
    return true;
  } catch {
    const age = await stat(asking).then(
      // Either way: the clock may have been set back.
      ({ mtimeMs }) => Math.abs(Date.now() - mtimeMs),
      () => 0,
    );
    if (age < othersLimitMs) return false;
    const now = new Date();
    // The process that was asking died. The first one to touch the folder takes over; two at once
    // only cost one more question.
    await utimes(asking, now, now).catch(() => undefined);
    return true;
  }
}
