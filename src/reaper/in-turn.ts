/**
 * The parts of a reaper's round, one after the other: each has its turn, whatever became of those
 * before it.
 * @throws the first failure, once all had theirs; further ones are warned of
 */
export async function inTurn(warn: (line: string) => void, ...parts: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const part of parts) {
    try {
      await part();
    } catch (error) {
      failures.push(error);
    }
  }
  const [first, ...further] = failures;
  for (const error of further) warn((error as Error).message);
  if (failures.length > 0) throw first;
}
