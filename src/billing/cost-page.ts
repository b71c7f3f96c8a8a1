import { CNY, unitOf } from '../currency';
import { columns, escapeHtml, rows, type Bar } from './charts';
import { dayOf, type DayRange } from './ledger';

import { byCurrency, summarize, total, whatIsCounted, type CostRow, type Paid } from './report';
import { standingLines, type Standing } from './standing';
import type { LedgerEntry } from './types';

export interface CostPageInput {
  readonly entries: readonly LedgerEntry[];
  /** What costs money while nothing runs. */
  readonly standing?: Standing | undefined;
  readonly range: DayRange;
  readonly generatedAt: Date;
  /** A 4c8g instance bought by the year, yuan a year: what a team without this would pay. */
  readonly yearlyInstanceYuan: number;
}

const DAY_MS = 86_400_000;
const TABLE_ROWS = 20;
const style = `
:root{color-scheme:light dark;--ink:#1c2430;--soft:#667085;--line:#d9dee7;--bar:#2f6fdb;--paper:#fff;--card:#f6f8fb}
@media(prefers-color-scheme:dark){:root{--ink:#e7ebf2;--soft:#98a2b3;--line:#344054;--bar:#6ea1ff;--paper:#12161d;--card:#1b212b}}
body{font:15px/1.5 system-ui,"Noto Sans SC",sans-serif;color:var(--ink);background:var(--paper);max-width:860px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}p{color:var(--soft);margin:.2rem 0 1.4rem}
.cards{display:grid;grid-template-columns:repeat(3,1fr);gap:.8rem;margin-bottom:1.6rem}
.cards div{background:var(--card);border-radius:8px;padding:.7rem .9rem}.cards b{display:block;font-size:1.15rem;white-space:nowrap}.cards span{color:var(--soft)}
figure{margin:0 0 1.8rem}figcaption{font-weight:600;margin-bottom:.3rem}small{font-weight:400;color:var(--soft)}
svg{width:100%;height:auto;display:block}.bar{fill:var(--bar)}.grid{stroke:var(--line)}text{fill:var(--soft);font-size:12px}
.scale{text-anchor:end}.label{text-anchor:middle}
.row{display:grid;grid-template-columns:14rem 1fr;gap:.8rem;padding:.2rem 0}.row span{text-align:right}.row div{white-space:nowrap}
.row i{display:inline-block;min-width:1px;height:1.3em;margin-right:.5em;border-radius:2px;background:var(--bar);vertical-align:bottom}
.scroll{overflow-x:auto;margin-bottom:1.8rem}table{border-collapse:collapse;width:100%}
th,td{text-align:right;padding:.3rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0;white-space:normal;overflow-wrap:anywhere;min-width:9rem}th{font-weight:600}
@media(max-width:600px){.cards{grid-template-columns:repeat(2,1fr)}text{font-size:20px}.row{grid-template-columns:1fr;gap:.1rem}.row span{text-align:left;color:var(--soft)}}`;

/**
 * One self-contained HTML page, which may load nothing and run nothing: spending a day, savings,
 * interruptions, time to ready, and the dearest projects and jobs.
 */
export function costPage({ entries, standing, range, generatedAt, yearlyInstanceYuan }: CostPageInput): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><meta name="viewport" content="width=device-width,initial-scale=1"><title>gitlab-spot: cost ${range.from} to ${range.to}</title><style>${style}</style></head><body>
<h1>What the jobs cost</h1><p>${range.from} to ${range.to} (UTC), made ${generatedAt.toISOString().slice(0, 16).replace('T', ' ')}</p>
${byCurrency(entries)
  .map((paid) => section(paid, range, dayOf(generatedAt), yearlyInstanceYuan))
  .join('\n')}
${standing ? idle(standing) : ''}<p>${whatIsCounted(entries)} Before discounts of the account.</p>
</body></html>
`;
}

/** While no job runs. */
function idle(standing: Standing): string {
  const [head = '', ...items] = standingLines(standing);
  return `<p>${escapeHtml(head)}${items.map((line) => `<br>${escapeHtml(line.trim())}`).join('')}</p>\n`;
}

/** Everything that was paid in one currency. */
function section({ currency, entries }: Paid, range: DayRange, today: string, yearlyInstanceYuan: number): string {
  const all = total('all', entries);
  const days = everyDay(range, today, summarize(entries, 'day'));
  const unit = unitOf(currency);
  const cards = [
    card(money(all.yuan, unit), 'spent'),
    card(all.yuan > 0 ? `${Math.round((all.diskYuan / all.yuan) * 100)} %` : '–', 'of it for disks'),
    ...(all.spareYuan > 0 ? [card(money(all.spareYuan, unit), 'of it: machines that waited')] : []),
    card(count(all.jobs), 'instances'),
    card(all.jobs ? money(all.yuan / all.jobs, unit) : '–', 'an instance'),
    card(saved(all), 'saved against pay-as-you-go'),
    card(count(all.interrupted), 'interrupted'),
    card(all.readySeconds === undefined ? '–' : `${Math.round(all.readySeconds)} s`, 'to ready, median'),
  ];
  const found =
    all.hours === 0
      ? '<p>No instance was paid for in these days.</p>'
      : charts(all, days, unit, currency === CNY ? yearlyInstanceYuan : undefined) + tables(entries, unit);
  return `<div class="cards">${cards.join('')}</div>\n${found}`;
}

/** @param yearlyInstanceYuan undefined: not to be compared, since it is in another currency. */
function charts(all: CostRow, days: readonly CostRow[], unit: string, yearlyInstanceYuan: number | undefined): string {
  const yuan = (value: number): string => money(value, unit);
  const yearlyShare = yearlyInstanceYuan && (yearlyInstanceYuan / 365) * days.length;
  const aDay = (of: (row: CostRow) => Omit<Bar, 'label'>): readonly Bar[] =>
    days.map((row) => ({ label: row.key.slice(5), ...of(row) }));
  const spend = aDay((row) => ({ value: row.yuan, text: `${yuan(row.yuan)}, ${row.jobs} instances` }));
  const otherwise = [
    { label: 'these jobs, as paid', value: all.yuan, text: yuan(all.yuan) },
    { label: 'of it their disks', value: all.diskYuan, text: yuan(all.diskYuan) },
    { label: 'pay-as-you-go', value: all.onDemandYuan, text: yuan(all.onDemandYuan), colour: '#98a2b3' },
    ...(yearlyShare === undefined
      ? []
      : [{ label: 'a 4c8g instance by the year', value: yearlyShare, text: yuan(yearlyShare), colour: '#98a2b3' }]),
  ];
  const interruptions = aDay(({ interrupted, jobs }) => ({
    value: interrupted,
    text: `${interrupted} of ${jobs}`,
    colour: '#d9822b',
  }));
  const ready = aDay(({ readySeconds }) => ({
    value: readySeconds ?? 0,
    text: readySeconds === undefined ? 'no job' : `${readySeconds} s`,
    colour: '#2e9e6b',
  }));
  return [
    columns('Spend a day', spend, unit),
    rows('The same work, paid otherwise', otherwise, `${unit} for these ${days.length} days`),
    columns('Interruptions a day', interruptions, 'instances taken back'),
    columns('Time to ready', ready, 'median seconds from the job’s start'),
  ].join('\n');
}

function tables(entries: readonly LedgerEntry[], unit: string): string {
  return `\n${table('Project', summarize(entries, 'project'), unit)}\n${table('Job', summarize(entries, 'job'), unit)}`;
}

/** Days without a job are days too; those that have not come are none. */
function everyDay({ from, to }: DayRange, today: string, rowsOfDays: readonly CostRow[]): readonly CostRow[] {
  const byDay = new Map(rowsOfDays.map((row) => [row.key, row]));
  const days: CostRow[] = [];
  const last = Date.parse(to < today ? to : today);
  for (let at = Date.parse(from); at <= last; at += DAY_MS) {
    const day = dayOf(new Date(at));
    days.push(byDay.get(day) ?? total(day, []));
  }
  return days;
}

function card(value: string, name: string): string {
  return `<div><b>${escapeHtml(value)}</b><span>${escapeHtml(name)}</span></div>`;
}

/** The dearest of them; a long path may break after its slashes. */
function table(title: string, all: readonly CostRow[], unit: string): string {
  const lines = all
    .slice(0, TABLE_ROWS)
    .map(
      (row) =>
        `<tr><td>${escapeHtml(row.key).replaceAll('/', '/<wbr>')}</td><td>${count(row.jobs)}</td><td>${row.hours.toFixed(2)}</td><td>${row.yuan.toFixed(4)}</td><td>${row.diskYuan.toFixed(4)}</td><td>${row.onDemandYuan.toFixed(4)}</td><td>${row.failed}</td><td>${row.interrupted}</td></tr>`,
    );
  return `<div class="scroll"><table><thead><tr><th>${title}${all.length > TABLE_ROWS ? ` <small>the ${TABLE_ROWS} dearest of ${count(all.length)}</small>` : ''}</th><th>instances</th><th>hours</th><th>${unit}</th><th>of it disks</th><th>pay-as-you-go</th><th>failed</th><th>interrupted</th></tr></thead><tbody>${lines.join('')}</tbody></table></div>`;
}

function money(value: number, unit: string): string {
  const digits = value !== 0 && value < 1 ? 3 : 2;
  return `${value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
}

function count(value: number): string {
  return value.toLocaleString('en');
}

function saved(row: CostRow): string {
  return row.onDemandYuan > 0 ? `${Math.round((1 - row.yuan / row.onDemandYuan) * 100)} %` : '–';
}
