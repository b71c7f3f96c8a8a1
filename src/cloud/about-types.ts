import { CloudRefused, isForbidden } from './errors';
import { inBatches, TYPES_AT_ONCE } from './params';

/**
 * Asks about instance types in as few calls as the API takes. The documents leave open whether a
 * type that the region does not sell is an error or is left out of the answer: where a batch is
 * refused, each of its types is asked about alone, and one that is refused is left out.
 * @throws what ask throws, and the refusal where every type is refused
 */
export async function aboutTypes<T>(
  types: readonly string[],
  ask: (batch: readonly string[]) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const answers = await Promise.all(inBatches(types, TYPES_AT_ONCE).map((batch) => askIsolated(batch, ask)));
  return answers.flat();
}

async function askIsolated<T>(
  batch: readonly string[],
  ask: (batch: readonly string[]) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  try {
    return await ask(batch);
  } catch (error) {
    if (batch.length === 1 || !isAboutOneType(error)) throw error;
    const alone = await Promise.allSettled(batch.map((type) => ask([type])));
    const answered = alone.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const other = alone.find((one) => one.status === 'rejected' && !isAboutOneType(one.reason));
    if (other?.status === 'rejected') throw other.reason;
    if (answered.length === 0) throw error;
    return answered.flat();
  }
}

/** Neither a matter of permissions, nor one that passes. */
function isAboutOneType(error: unknown): boolean {
  return error instanceof CloudRefused && !error.retryable && !isForbidden(error);
}
