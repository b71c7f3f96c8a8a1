/**
 * The text format that Prometheus scrapes.
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

/** What was observed of one set of labels. */
export interface Distribution {
  readonly labels?: Labels;
  /** How many were at most this; by upper bound, ascending. Without +Inf, which is `count`. */
  readonly buckets: readonly (readonly [upperBound: number, count: number])[];
  readonly sum: number;
  readonly count: number;
}

export type Family = {
  readonly name: string;
  /** A sentence. */
  readonly help: string;
} & (
  | { readonly type: 'gauge' | 'counter'; readonly samples: readonly Sample[] }
  | { readonly type: 'histogram'; readonly samples: readonly Distribution[] }
);

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** A family without samples is left out. */
export function exposition(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .flatMap((family) => [
      `# HELP ${family.name} ${escapeHelp(family.help)}`,
      `# TYPE ${family.name} ${family.type}`,
      ...linesOf(family),
    ])
    .map((line) => `${line}\n`)
    .join('');
}

function linesOf(family: Family): string[] {
  if (family.type !== 'histogram') return family.samples.map(({ labels, value }) => line(family.name, labels, value));
  return family.samples.flatMap(({ labels, buckets, sum, count }) => [
    ...[...buckets, [Infinity, count] as const].map(([upperBound, below]) =>
      line(`${family.name}_bucket`, { ...labels, le: number(upperBound) }, below),
    ),
    line(`${family.name}_sum`, labels, sum),
    line(`${family.name}_count`, labels, count),
  ]);
}

function line(name: string, labels: Labels | undefined, value: number): string {
  const pairs = Object.entries(labels ?? {}).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${number(value)}`;
}

function number(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}

function escapeHelp(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
}

function escapeLabel(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
}
