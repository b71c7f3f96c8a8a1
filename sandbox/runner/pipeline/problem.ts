/**
 * A pipeline that cannot be run as it is written; each problem is one sentence that begins with its
 * place.
 */
export class InvalidPipeline extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'InvalidPipeline';
  }
}

/** Of a place within the configuration, such as `job build: retry`. */
export function invalid(place: string, sentence: string): InvalidPipeline {
  return new InvalidPipeline([`${place}: ${sentence}`]);
}

/** Collects what is wrong, so that all of it is told at once. */
export class Problems {
  readonly found: string[] = [];

  /** The body's value, or `otherwise` where it says that something is wrong. */
  collect<T>(body: () => T, otherwise: T): T {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof InvalidPipeline)) throw error;
      this.add(...error.problems);
      return otherwise;
    }
  }

  add(...problems: readonly string[]): void {
    this.found.push(...problems);
  }

  /** @throws InvalidPipeline with each problem once */
  throwIfAny(): void {
    if (this.found.length > 0) throw new InvalidPipeline([...new Set(this.found)]);
  }
}
