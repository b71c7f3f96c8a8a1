/**
 * Reads Prometheus' text format as strictly as a scraper does.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */

export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly help: string;
  readonly type: string;
  readonly samples: readonly ParsedSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/** @throws Error that names the line */
export function parseExposition(text: string): Map<string, ParsedFamily> {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, { help: string; type: string; samples: ParsedSample[] }>();
  const seen = new Set<string>();
  let current = '';
  for (const [index, line] of text.split('\n').slice(0, -1).entries()) {
    const fail = (why: string): never => {
      throw new Error(`line ${index + 1} ${why}: ${line}`);
    };
    const help = /^# HELP (\S+) ([^\n]*)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (help) {
      if (!NAME.test(help[1]!) || families.has(help[1]!)) fail('has a wrong name, or one that was there before');
      families.set((current = help[1]!), { help: help[2]!, type: '', samples: [] });
    } else if (type) {
      const family = families.get(type[1]!) ?? fail('tells the type of nothing');
      if (type[1] !== current || family.samples.length > 0) fail('comes late');
      family.type = type[2]!;
    } else {
      const sample = sampleOf(line) ?? fail('is no sample');
      const family = families.get(current) ?? fail('belongs to no family');
      const base = family.type === 'histogram' ? sample.name.replace(/_(bucket|sum|count)$/, '') : sample.name;
      if (base !== current) fail(`does not belong to ${current}`);
      const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (seen.has(key)) fail('is there twice');
      seen.add(key);
      family.samples.push(sample);
    }
  }
  for (const [name, family] of families) if (family.type === 'histogram') checkHistogram(name, family.samples);
  return families;
}

function sampleOf(line: string): ParsedSample | undefined {
  const match = /^([a-zA-Z_:][\w:]*)(\{[^\n]*\})? (\S+)$/.exec(line);
  const value = match && numberOf(match[3]!);
  if (!match || value === undefined || value === null) return undefined;
  const labels = labelsOf(match[2] ?? '{}');
  return labels && { name: match[1]!, labels, value };
}

function labelsOf(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  let rest = text.slice(1, -1);
  while (rest !== '') {
    const pair = /^([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/.exec(rest);
    if (!pair || pair[1]! in labels) return undefined;
    labels[pair[1]!] = pair[2]!.replace(/\\([\\"n])/g, (_all, one: string) => (one === 'n' ? '\n' : one));
    rest = rest.slice(pair[0].length);
  }
  return labels;
}

function numberOf(text: string): number | undefined {
  const special = { '+Inf': Infinity, '-Inf': -Infinity, NaN }[text];
  if (special !== undefined) return special;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

function checkHistogram(name: string, samples: readonly ParsedSample[]): void {
  const series = new Map<string, { buckets: [number, number][]; count?: number; sum?: number }>();
  for (const { name: sample, labels, value } of samples) {
    const { le, ...others } = labels;
    const key = JSON.stringify(others);
    const one = series.get(key) ?? { buckets: [] };
    series.set(key, one);
    if (sample === `${name}_bucket`) one.buckets.push([numberOf(le ?? '') ?? NaN, value]);
    else one[sample === `${name}_sum` ? 'sum' : 'count'] = value;
  }
  for (const [key, { buckets, count, sum }] of series) {
    const rises = buckets.every(([bound, below], index) => {
      const before = buckets[index - 1];
      return !before || (bound > before[0] && below >= before[1]);
    });
    const last = buckets.at(-1);
    if (!rises || last?.[0] !== Infinity || last[1] !== count || sum === undefined)
      throw new Error(`the histogram ${name}${key} is not right: ${JSON.stringify({ buckets, count, sum })}`);
  }
}
