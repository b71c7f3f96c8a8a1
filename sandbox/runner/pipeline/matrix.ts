/** `parallel:`: the copies of a job, their names and variables. */
import type { JobConfig, MatrixEntry } from './schema';

export interface Copy {
  readonly name: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly index: number | undefined;
  readonly total: number;
}

/** All combinations of an entry's values, the last variable changing fastest. */
export function combinations(entries: readonly MatrixEntry[]): Record<string, string>[] {
  return entries.flatMap((entry) =>
    Object.entries(entry).reduce<Record<string, string>[]>(
      (found, [key, values]) => found.flatMap((one) => values.map((value) => ({ ...one, [key]: value }))),
      [{}],
    ),
  );
}

export function copyName(job: string, values: Readonly<Record<string, string>>): string {
  return `${job}: [${Object.values(values).join(', ')}]`;
}

/** `test: [20, linux]` and `test 1/3` are copies of `test`. */
export function isCopyOf(job: string, name: string): boolean {
  return name.startsWith(job) && /^(?:: \[.*\]| \d+\/\d+)$/s.test(name.slice(job.length));
}

export function copiesOf(name: string, parallel: JobConfig['parallel']): Copy[] {
  if (parallel === undefined) return [{ name, variables: {}, index: undefined, total: 1 }];
  if (typeof parallel === 'number')
    return Array.from({ length: parallel }, (_, at) => ({
      name: `${name} ${at + 1}/${parallel}`,
      variables: {},
      index: at + 1,
      total: parallel,
    }));
  const all = combinations(parallel.matrix);
  return all.map((variables, at) => ({ name: copyName(name, variables), variables, index: at + 1, total: all.length }));
}
