import { CNY, type Currency } from '../currency';
import { counted, plural } from '../plural';
import { adviceText, type Advice } from './advice';
import { escapeHtml, partsBar, sparkline, stackedColumns, sum } from './charts';
import { daysBetween, forecast, monthName } from './forecast';
import { dayOf, monthOf, type DayRange, type DaySpend } from './ledger';
import { count, money, percent } from './money';
import { style } from './page-style';
import { tables } from './page-tables';
import { byCurrency, GROUPS, sumsBy, whatIsCounted, type Paid, type Sums } from './report';
import { standingLines, type Standing } from './standing';
import { Tally, total, type CostRow } from './tally';
import type { LedgerEntry } from './types';
import { yearlyComparison, type YearlyMachine } from './yearly';

export interface CostPageInput {
  /** Of the range, oldest first. */
  readonly entries: readonly LedgerEntry[];
  /** What amounts are in where there is no entry; left out: yuan. */
  readonly currency?: Currency | undefined;
  readonly range: DayRange;
  readonly generatedAt: Date;
  /** What a team without this would buy. */
  readonly yearly: YearlyMachine;
  /** What was spent in the time before, in a currency. */
  readonly previous?: { readonly name: string; readonly currency: Currency; readonly yuan: number } | undefined;
  /** Of this host, or of all whose ledgers these are. */
  readonly budget?: { readonly monthlyYuan: number; readonly currency: Currency } | undefined;
  /** What costs money while nothing runs. */
  readonly standing?: Standing | undefined;
  /** What the runner host costs, yuan a month. */
  readonly hostYuanPerMonth?: number | undefined;
  readonly advice?: readonly Advice[] | undefined;
  /** GitLab's address; servers of other names are linked by their name. */
  readonly gitlabUrl?: string | undefined;
}

/** More projects than that share one colour. */
const SERIES = 5;
/** More days than that are drawn in weeks. */
const MOST_DAYS = 100;

/**
 * One self-contained HTML page, which may load nothing and run nothing: what was spent and saved,
 * what the month will cost, who spent it, and what could be had for less.
 */
export function costPage(input: CostPageInput): string {
  const { entries, range, generatedAt } = input;
  const hosts = [...new Set(entries.map(({ executorId }) => executorId))];
  const sections = byCurrency(entries, input.currency).map((paid, index) =>
    // The runner host is paid once, in what most is paid in.
    section(paid, index === 0 ? input : { ...input, hostYuanPerMonth: undefined }, String(index)),
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width,initial-scale=1"><title>gitlab-spot: cost ${range.from} to ${range.to}</title><style>${style}</style></head><body>
<h1>What the jobs cost, ${title(range)}</h1><p class="soft">${hosts.length === 0 ? '' : `${escapeHtml(hosts.slice(0, 5).join(', '))}${hosts.length > 5 ? ` and ${counted(hosts.length - 5, 'more host')}` : ''} · `}days in UTC · made ${generatedAt.toISOString().slice(0, 16).replace('T', ' ')}</p>
${sections.join('\n')}
<footer><p>${escapeHtml(whatIsCounted(entries))} Before discounts of the account. What jobs used is what their instances said.</p></footer>
</body></html>
`;
}

function title(range: DayRange): string {
  const month = monthOf(new Date(range.from));
  const isMonth = month.from === range.from && month.to === range.to;
  return isMonth ? `${monthName(range.from)} ${range.from.slice(0, 4)}` : `${range.from} to ${range.to}`;
}

/** Everything that was paid in one currency. */
function section(paid: Paid, input: CostPageInput, id: string): string {
  const { entries, currency } = paid;
  const all = total('all', entries);
  const today = dayOf(input.generatedAt);
  const last = today < input.range.to ? today : input.range.to;
  const first = entries[0]?.from.slice(0, 10);
  if (first === undefined)
    return `<p>No instance was paid for in these days.</p>\n${beside(all, entries, 0, input, currency)}`;
  const days = daysBetween(first, last);
  const sums = sumsBy(entries, GROUPS);
  const aDay = new Map(sums.day.map(({ row }) => [row.key, row]));
  const rows = days.map((day) => aDay.get(day) ?? new Tally().row(day));
  const spends = rows.map(({ key, yuan }) => ({ day: key, yuan }));
  return [
    top(all, spends, today, input, currency),
    facts(all, rows, currency),
    spendChart(sums.project, rows, currency),
    '<h2>Who spent it</h2>',
    tables({ sums, all, currency, days, gitlab: gitlabOf(input.gitlabUrl), id }),
    advised(input.advice ?? [], currency),
    beside(all, entries, days.length, input, currency),
    currency === CNY ? yearlyText(entries, days.length, input.yearly, currency) : '',
  ].join('\n');
}

/** First what a team lead wants to know. */
function top(
  all: CostRow,
  spends: readonly DaySpend[],
  today: string,
  input: CostPageInput,
  currency: Currency,
): string {
  const { range, previous } = input;
  const before = previous?.currency === currency ? previous : undefined;
  const saved = all.onDemandYuan - all.yuan;
  return `<div class="top"><div><span>spent</span><b>${money(all.yuan, currency)}</b>${before ? `<span>${against(all.yuan, before.yuan)} ${escapeHtml(before.name)} (${money(before.yuan, currency)})</span>` : ''}</div><div><span>saved</span><b class="${saved > 0 ? 'good' : ''}">${money(Math.max(0, saved), currency)}</b><span>${percent(saved, all.onDemandYuan)} of ${money(all.onDemandYuan, currency)} pay-as-you-go</span></div>${outlook(all, forecast(spends, range, today), input, currency)}</div>`;
}

function against(now: number, before: number): string {
  if (before <= 0) return 'nothing in';
  const change = Math.round((now / before - 1) * 100);
  if (change === 0) return 'as much as in';
  return `${Math.abs(change)} % ${change > 0 ? 'more' : 'less'} than in`;
}

/** Where the month is going, and how much of its budget that is. */
function outlook(
  all: CostRow,
  expected: number | undefined,
  { budget, range }: CostPageInput,
  currency: Currency,
): string {
  const month = monthOf(new Date(range.from));
  const limit =
    budget?.currency === currency && month.from === range.from && month.to === range.to
      ? budget.monthlyYuan
      : undefined;
  if (expected === undefined && limit === undefined) return '';
  const end = expected ?? all.yuan;
  const head =
    expected === undefined
      ? `<span>of the budget</span><b>${percent(all.yuan, limit!)}</b>`
      : `<span>by the end of ${monthName(range.to)}, as it goes</span><b>${money(expected, currency)}</b>`;
  if (limit === undefined) return `<div>${head}<span>no budget is set</span></div>`;
  const width = (value: number): string => `${Math.min(100, limit > 0 ? (value / limit) * 100 : 100).toFixed(1)}%`;
  const over = end > limit;
  return `<div class="${over ? 'over' : ''}">${head}<div class="meter"><i class="to" style="width:${width(end)}"></i><i style="width:${width(all.yuan)}"></i></div><span class="${over ? 'bad' : ''}">${percent(all.yuan, limit)} of the budget of ${money(limit, currency)} spent${expected === undefined ? '' : `, ${percent(expected, limit)} expected`}</span></div>`;
}

function facts(all: CostRow, days: readonly CostRow[], currency: Currency): string {
  const ready = (seconds: number | undefined): string => (seconds === undefined ? '–' : `${Math.round(seconds)} s`);
  const list: readonly (readonly [string, string, string])[] = [
    ['runs', count(all.jobs), `${count(Math.round(all.hours))} ${plural(Math.round(all.hours), 'hour')}`],
    ['a run', all.yuanPerRun === undefined ? '–' : money(all.yuanPerRun, currency), ''],
    ['failed or taken back', percent(all.wasteYuan, all.yuan), money(all.wasteYuan, currency)],
    [
      'interruptions',
      percent(all.interrupted, all.jobs),
      `${count(all.interrupted)} ${sparkline(
        days.map(({ interrupted }) => interrupted),
        'interruptions a day',
      )}`,
    ],
    [
      'time to ready, p50 · p95',
      `${ready(all.readySeconds)} · ${ready(all.readyP95Seconds)}`,
      sparkline(
        days.map(({ readySeconds = 0 }) => readySeconds),
        'median seconds to ready, a day',
      ),
    ],
  ];
  return `<dl class="facts">${list.map(([name, value, more]) => `<div><dt>${name}</dt><dd>${value}${more === '' ? '' : `<small>${more}</small>`}</dd></div>`).join('')}</dl>`;
}

/** From the first job on; the dearest projects apart. */
function spendChart(projects: readonly Sums[], days: readonly CostRow[], currency: Currency): string {
  const dearest = [...projects].sort((a, b) => b.row.yuan - a.row.yuan);
  const named = dearest.slice(0, SERIES).map(({ row }, index) => ({ name: row.key, colour: `c${index}` }));
  const series = projects.length > SERIES ? [...named, { name: 'others', colour: 'c5' }] : named;
  const step = days.length > MOST_DAYS ? 7 : 1;
  const bars = days
    .filter((_day, index) => index % step === 0)
    .map(({ key }, bar) => {
      const own = days.slice(bar * step, (bar + 1) * step);
      const [outline, runs] = [sum(own.map((day) => day.onDemandYuan)), sum(own.map(({ jobs }) => jobs))];
      return { day: key, parts: series.map(() => 0), outline, runs };
    });
  const place = new Map(days.map(({ key }, index) => [key, Math.floor(index / step)]));
  dearest.forEach(({ spends }, project) => {
    for (const { day, yuan } of spends) {
      const bar = bars[place.get(day) ?? -1];
      if (bar) bar.parts[Math.min(project, SERIES)]! += yuan;
    }
  });
  return stackedColumns(
    step === 1 ? 'Spend a day' : 'Spend a week',
    series,
    'pay-as-you-go',
    bars.map(({ day, parts, outline, runs }) => {
      const text = `${money(sum(parts), currency)}, ${count(runs)} ${plural(runs, 'run')}, pay-as-you-go ${money(outline, currency)}`;
      return { label: day.slice(5), parts, outline, text };
    }),
    currency === CNY ? 'yuan' : currency,
  );
}

function advised(advice: readonly Advice[], currency: Currency): string {
  if (advice.length === 0) return '';
  const lines = advice.slice(0, 10).map((one) => {
    const [head = '', rest = ''] = adviceText(one, currency).split(/ (?=\(peak)/);
    const amount = `${one.yuan >= 0 ? '−' : '+'} ${money(Math.abs(one.yuan), currency)}`;
    return `<li><span>${escapeHtml(head)}</span><b class="${one.yuan >= 0 ? 'good' : ''}">${amount}</b><small>${escapeHtml(rest.replace(/^\(|\): .*$/g, ''))}</small></li>`;
  });
  const saved = advice.reduce((sum, { yuan }) => sum + Math.max(0, yuan), 0);
  return `<h2>Machines that would fit better <small>${money(saved, currency)} in 30 days, an estimate with a margin of 30 %</small></h2><ul class="advice">${lines.join('')}</ul>`;
}

/** What the money is for, and what is paid beside the jobs. */
function beside(
  all: CostRow,
  entries: readonly LedgerEntry[],
  days: number,
  { standing, hostYuanPerMonth }: CostPageInput,
  currency: Currency,
): string {
  const ofDays = (yuanPerMonth: number): number => (yuanPerMonth * days) / 30;
  const spares = total(
    'spares',
    entries.filter(({ spare }) => spare),
  );
  const disks = all.diskYuan - spares.diskYuan;
  const fixed = standing?.currency === currency ? standing.items : [];
  const parts = [
    { name: 'instances', value: all.yuan - spares.yuan - disks },
    { name: 'their disks', value: disks },
    { name: 'spare machines that waited', value: spares.yuan },
    // Spares are in the ledger, with what they did cost.
    ...fixed.flatMap(({ what, yuanPerMonth }) =>
      yuanPerMonth === undefined || what === 'spare machines'
        ? []
        : [{ name: `${what}, estimate`, value: ofDays(yuanPerMonth) }],
    ),
    ...(hostYuanPerMonth === undefined ? [] : [{ name: 'the runner host', value: ofDays(hostYuanPerMonth) }]),
  ].filter(({ value }) => value > 0);
  const whole = sum(parts.map(({ value }) => value));
  const notes = standing ? standingLines(standing).map((line) => escapeHtml(line.trim())) : [];
  const bar = parts.length === 0 ? '' : partsBar(parts.map((part) => ({ ...part, text: money(part.value, currency) })));
  return `<h2>What it was for <small>${money(whole, currency)} in all</small></h2>${bar}${notes.length === 0 ? '' : `<p class="soft">${notes.join('<br>')}</p>`}`;
}

/** Only what that machine could have done: it does not run 40 jobs at once, nor any with a GPU. */
function yearlyText(entries: readonly LedgerEntry[], days: number, yearly: YearlyMachine, currency: Currency): string {
  const { machineYuan, runs, ofRuns, yuan } = yearlyComparison(entries, yearly, days);
  const machine = `One ${yearly.vcpu}c${yearly.memoryGiB}g machine by the year costs ${money(machineYuan, currency)} for ${plural(days, 'this day', `these ${days} days`)}`;
  const could =
    runs === 0
      ? 'It could have done none of these runs.'
      : `It could have done ${count(runs)} of ${count(ofRuns)} ${plural(ofRuns, 'run')} (${percent(runs, ofRuns)}) when ${plural(runs, 'it came; here it', 'they came; here these')} cost ${money(yuan, currency)}.`;
  return `<h2>Beside a machine by the year</h2><p>${machine} (${money(yearly.yuanPerYear, currency)} a year). ${could}</p>`;
}

/** Where the server of a line is to be found. */
function gitlabOf(url: string | undefined): (entry: LedgerEntry) => string | undefined {
  const own = url !== undefined && URL.canParse(url) ? new URL(url) : undefined;
  return ({ server }) => {
    if (own?.host === server) return `${own.origin}${own.pathname.replace(/\/+$/, '')}`;
    return /^[\w.-]+(:\d+)?$/.test(server) ? `https://${server}` : undefined;
  };
}
