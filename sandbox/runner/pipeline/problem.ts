/** A pipeline that cannot be run as it is written; each problem is one sentence that begins with its place. */
export class InvalidPipeline extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'InvalidPipeline';
  }
}

export function invalid(place: string, sentence: string): InvalidPipeline {
  return new InvalidPipeline([`${place}: ${sentence}`]);
}
