import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod/mini';
import type { Pool } from '../jobs/types';
import { digest } from './digest';
import { INTERRUPTED } from './refusals';
import type { Failure } from './types';

const poolSchema = z.object({
  zoneId: z.string(),
  vSwitchId: z.string(),
  instanceType: z.string(),
  market: z.enum(['spot', 'on-demand']),
});
const failureSchema = z.object({
  pool: poolSchema,
  code: z.string(),
  atMs: z.number(),
  previousMs: z.optional(z.number()),
});
const lossesSchema = z.object({ pools: z.array(poolSchema), atMs: z.number() });

/**
 * What is remembered of a region. Another region or network is another market: answers of before
 * must not be taken for its own.
 */
export function placementDirectory(settings: {
  readonly stateDir: string;
  readonly cloud: { readonly region: string };
}): string {
  return path.join(settings.stateDir, 'placement', settings.cloud.region);
}

/** Nothing is held against a pool for longer, whatever the code. */
const FORGET_FAILURES_MS = 2 * 3_600_000;
/** GitLab's retries of a job come soon after it; a pipeline run again next week starts afresh. */
const FORGET_LOSSES_MS = 24 * 3_600_000;

/**
 * What recently failed, shared by all jobs of the host: a small file for each pool (the newest
 * failure), one more for its interruptions, and one for each job that lost instances. A file that
 * can't be read is forgotten: memory only improves the order.
 */
export class PlacementMemory {
  constructor(
    private readonly directory: string,
    private readonly now: () => number,
  ) {}

  async failures(): Promise<readonly Failure[]> {
    return this.each((file) => this.failure(file));
  }

  /** As failures, for whoever only looks: removes nothing. */
  async seenFailures(): Promise<readonly Failure[]> {
    return this.each((file) => this.fresh(file));
  }

  private async each(read: (file: string) => Promise<Failure | undefined>): Promise<readonly Failure[]> {
    const folder = path.join(this.directory, 'failures');
    const names = await readdir(folder).catch(() => []);
    const files = names.filter((name) => name.endsWith('.json')).map((name) => path.join(folder, name));
    return (await Promise.all(files.map(read))).filter((failure) => failure !== undefined);
  }

  async remember(pool: Pool, code: string): Promise<void> {
    const name = `${pool.instanceType}@${pool.zoneId}@${pool.market}`;
    const failure: Failure = { pool, code, atMs: this.now() };
    if (code !== INTERRUPTED) return this.write('failures', name, failure);
    // Interruptions are kept apart, so that a later refusal of the same pool does not overwrite
    // them.
    const own = `${name}@${INTERRUPTED}`;
    const before = await this.failure(path.join(this.directory, 'failures', `${own}.json`));
    await this.write('failures', own, { ...failure, previousMs: before?.atMs });
  }

  /** Pools taken from earlier tries of the job, oldest first. */
  async losses(jobKey: string): Promise<readonly Pool[]> {
    const losses = await parsed(this.lossesFile(jobKey), lossesSchema);
    return losses && this.isWithin(FORGET_LOSSES_MS, losses) ? losses.pools : [];
  }

  async rememberLoss(jobKey: string, pool: Pool): Promise<void> {
    const pools = [...(await this.losses(jobKey)), pool];
    await this.forgetOldLosses();
    await this.write('losses', digest(jobKey), { pools, atMs: this.now() });
  }

  /**
   * A finished job is never asked about again. Losses are rare, so all of them can be looked at.
   */
  private async forgetOldLosses(): Promise<void> {
    const folder = path.join(this.directory, 'losses');
    for (const name of await readdir(folder).catch(() => [])) {
      const file = path.join(folder, name);
      const losses = await parsed(file, lossesSchema);
      if (!losses || !this.isWithin(FORGET_LOSSES_MS, losses)) await rm(file, { force: true });
    }
  }

  private async failure(file: string): Promise<Failure | undefined> {
    const failure = await this.fresh(file);
    if (!failure) await rm(file, { force: true });
    return failure;
  }

  private async fresh(file: string): Promise<Failure | undefined> {
    const failure = await parsed(file, failureSchema);
    return failure && this.isWithin(FORGET_FAILURES_MS, failure) ? failure : undefined;
  }

  /** Nor of the future: a clock that was set back must not hold a pool back for hours more. */
  private isWithin(limitMs: number, { atMs }: { readonly atMs: number }): boolean {
    const ageMs = this.now() - atMs;
    return ageMs >= 0 && ageMs < limitMs;
  }

  private lossesFile(jobKey: string): string {
    return path.join(this.directory, 'losses', `${digest(jobKey)}.json`);
  }

  private async write(folder: string, name: string, value: unknown): Promise<void> {
    const directory = path.join(this.directory, folder);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFileAtomic(path.join(directory, `${name}.json`), JSON.stringify(value), { mode: 0o600 });
  }
}

async function parsed<T>(file: string, schema: z.ZodMiniType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
}
