import { readFileSync } from 'node:fs';
import path from 'node:path';
import { families } from '../../src/metrics/families';
import { ready } from '../../src/jobs/transitions';
import { destroyingRecord, instanceFacts, preparingRecord } from '../support/job-record';

/** The Grafana dashboard beside the alert rules. */

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}
const file = path.resolve(__dirname, '../../deploy/prometheus/grafana-dashboard.json');
const { panels, uid } = JSON.parse(readFileSync(file, 'utf8')) as { panels: readonly Panel[]; uid: string };
const targets = panels.flatMap(({ targets = [] }) => targets);

/** Every family with the labels that its samples have. */
const known = new Map(
  families({
    version: '1',
    records: [ready(preparingRecord(), instanceFacts), destroyingRecord(2)],
    waiting: 1,
    maxTries: 5,
    totals: {
      ended: { 'standard\nsuccess': 1 },
      interrupted: { standard: 1 },
      confirmed: { standard: 1 },
      spent: { 'standard\nteam/app': 1 },
      disks: { 'standard\nteam/app': 1 },
      seconds: { 'standard\nspot': 1 },
      failures: { 'prepare\nBootTimeout': 1 },
      ready: { standard: { buckets: [], sum: 1, count: 1 } },
    },
    spent: new Map([['CNY', [{ key: 'team/app', project: 'team/app', yuan: 1 }]]]),
    reap: { at: '2026-11-24T12:00:00Z', lastSuccessAt: '2026-11-24T12:00:00Z', destroyed: 0, left: 0, reported: 0 },
    budget: { currency: 'CNY', monthlyYuan: 10, perProjectYuan: {}, action: 'refuse' },
    reserved: [],
    unreadable: 0,
  }).map(({ name, samples }) => [name, new Set(['instance', 'le', ...Object.keys(samples[0]?.labels ?? {})])] as const),
);
const familyOf = (metric: string): string => metric.replace(/_bucket$/, '');

test('asks only for metrics and labels that there are', () => {
  expect(targets.length).toBeGreaterThan(20);
  for (const { expr, legendFormat } of targets) {
    const metrics = [...expr.matchAll(/\b(gitlab_spot_\w+)\{([^}]*)\}/g)];
    expect({ expr, metrics: metrics.length }).toEqual({ expr, metrics: expr.match(/gitlab_spot_/g)?.length });
    const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap((match) => match[1]!.split(/, */));
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]!);
    for (const [, metric = '', matchers = ''] of metrics) {
      const named = [...matchers.matchAll(/(\w+)=~?"/g)].map((match) => match[1]!);
      const labels = known.get(familyOf(metric));
      const unknown = [...named, ...grouped, ...shown].filter((label) => !labels?.has(label));
      expect({ metric, unknown, host: named.includes('instance') }).toEqual({ metric, unknown: [], host: true });
    }
    // A sum keeps no label but those that it is by.
    if (/^sum/.test(expr)) expect(shown.filter((label) => !grouped.includes(label))).toEqual([]);
  }
});

test('leaves out no metric that people watch', () => {
  const asked = new Set(targets.flatMap(({ expr }) => expr.match(/gitlab_spot_\w+/g) ?? []).map(familyOf));
  const left = [...known.keys()].filter((name) => !asked.has(name));
  expect(left.sort()).toEqual([
    'gitlab_spot_budget_limit_yuan',
    'gitlab_spot_info',
    'gitlab_spot_leftovers_of_others',
    'gitlab_spot_reap_last_run_destroyed',
    'gitlab_spot_reap_last_run_timestamp_seconds',
  ]);
});

test('has its panels side by side, each once', () => {
  expect(uid).toBe('gitlab-spot');
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
});
