/**
 * Tests that not every machine can run. Their titles end with the reason against them, and the
 * report at the end of a run lists these (test/support/run/skipped-tests.js). `reason` undefined:
 * they run.
 */
export function describeUnless(reason: string | undefined, title: string, body: () => void): void {
  if (reason === undefined) describe(title, body);
  else describe.skip(skipped(title, reason), body);
}

export function testUnless(
  reason: string | undefined,
  title: string,
  body: (() => Promise<unknown>) | (() => void),
  timeoutMs?: number,
): void {
  if (reason === undefined) test(title, body, timeoutMs);
  else test.skip(skipped(title, reason), body);
}

/** For tests that can't even be defined here. */
export function describeSkipped(reason: string, title: string): void {
  describe.skip(skipped(title, reason), () => void test('whatever it has', () => undefined));
}

const skipped = (title: string, reason: string): string => `${title} (skipped: ${reason})`;
