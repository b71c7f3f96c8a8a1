import type { Currency } from '../currency';
import { plural } from '../plural';
import { escapeHtml, sparkline, sum } from './charts';
import type { DaySpend } from './ledger';
import { count, money, percent } from './money';
import { dearestFirst, type GroupBy, type Sums } from './report';
import type { CostRow } from './tally';
import type { LedgerEntry } from './types';

/**
 * What each project, job … cost, in tables behind tabs that sort by each column: radio buttons and
 * style alone, no script.
 */

export interface TablesInput {
  readonly sums: Readonly<Record<Tab, readonly Sums[]>>;
  readonly all: CostRow;
  readonly currency: Currency;
  /** Of the trend. */
  readonly days: readonly string[];
  /** Of the server of a line, without a slash at its end; undefined: no link. */
  readonly gitlab: (entry: LedgerEntry) => string | undefined;
  /** Tells tables of several currencies apart. */
  readonly id: string;
}

const TABLE_ROWS = 20;
export type Tab = Exclude<GroupBy, 'day'>;
const TABS: readonly (readonly [Tab, string])[] = [
  ['project', 'Project'],
  ['job', 'Job'],
  ['branch', 'Branch'],
  ['user', 'User'],
  ['profile', 'Profile'],
  ['market', 'Market'],
  ['host', 'Host'],
];

interface Column {
  readonly title: string;
  readonly value: (row: CostRow) => number;
  readonly text: (row: CostRow, all: CostRow, currency: Currency) => string;
}

const COLUMNS: readonly Column[] = [
  { title: 'cost', value: ({ yuan }) => yuan, text: ({ yuan }, _all, currency) => money(yuan, currency) },
  { title: 'runs', value: ({ jobs }) => jobs, text: ({ jobs }) => count(jobs) },
  {
    title: 'a run',
    value: ({ yuanPerRun = 0 }) => yuanPerRun,
    text: ({ yuanPerRun }, _all, currency) => (yuanPerRun === undefined ? '–' : money(yuanPerRun, currency)),
  },
  {
    title: 'saved',
    value: ({ yuan, onDemandYuan }) => (onDemandYuan > 0 ? 1 - yuan / onDemandYuan : 0),
    text: ({ yuan, onDemandYuan }) => percent(onDemandYuan - yuan, onDemandYuan),
  },
  {
    title: 'waste',
    value: ({ wasteYuan }) => wasteYuan,
    text: ({ wasteYuan, failed, interrupted }, _all, currency) =>
      wasteYuan === 0 ? '–' : `${money(wasteYuan, currency)} <small>${waste(failed, interrupted)}</small>`,
  },
];

export function tables(input: TablesInput): string {
  const { id, sums } = input;
  const shown = TABS.filter(([by]) => by !== 'host' || sums.host.length > 1);
  const radios = shown.map(
    (_tab, index) =>
      `<input type="radio" class="tab t${index}" name="by${id}" id="by${id}-${index}"${index === 0 ? ' checked' : ''}>`,
  );
  const labels = shown.map(([, title], index) => `<label class="l${index}" for="by${id}-${index}">${title}</label>`);
  const panels = shown.map(([by], index) => `<section class="panel p${index}">${table(by, input)}</section>`);
  return `<div class="tabs">${radios.join('')}<nav>${labels.join('')}</nav>${panels.join('')}</div>`;
}

function table(by: Tab, { sums, all, currency, days, gitlab, id }: TablesInput): string {
  const groups = [...sums[by]].sort((a, b) => dearestFirst(a.row, b.row));
  const shown = groups.slice(0, TABLE_ROWS);
  const orders = COLUMNS.map(({ value }) => orderBy(shown.map(({ row }) => value(row))));
  const most = Math.max(...shown.map(({ row }) => row.yuan), Number.MIN_VALUE);
  const rows = shown.map(({ newest, row, spends }, index) => {
    const style = orders.map((order, column) => `--o${column}:${order[index]}`).join(';');
    const cells = COLUMNS.map(({ title, text }) => `<span data-is="${title}">${text(row, all, currency)}</span>`);
    const trend = sparkline(spendADay(spends, days), `${row.key}, a day`);
    return `<div class="r" style="${style}"><span class="name">${named(row.key, linkOf(by, newest, gitlab))}</span><span class="share" data-is="share"><i style="width:${((row.yuan / most) * 100).toFixed(1)}%"></i><b>${percent(row.yuan, all.yuan)}</b></span>${cells.join('')}<span class="trend" data-is="trend">${trend}</span></div>`;
  });
  const name = `sort${id}${by}`;
  const radios = COLUMNS.map(
    (_column, index) =>
      `<input type="radio" class="sort s${index}" name="${name}" id="${name}${index}"${index === 0 ? ' checked' : ''}>`,
  );
  const heads = COLUMNS.map(({ title }, index) => `<label class="k${index}" for="${name}${index}">${title}</label>`);
  const rest = groups.slice(TABLE_ROWS).map(({ row }) => row);
  const [runs, yuan] = [sum(rest.map(({ jobs }) => jobs)), sum(rest.map((row) => row.yuan))];
  const others =
    rest.length === 0
      ? ''
      : `<p class="others">${count(rest.length)} ${plural(rest.length, 'other')}, together ${money(yuan, currency)} for ${count(runs)} ${plural(runs, 'run')}</p>`;
  return `${radios.join('')}<div class="table"><div class="r head"><span class="name">${by}</span><span>share</span>${heads.join('')}<span>trend</span></div>${rows.join('')}</div>${others}`;
}

/** The place of each value, the largest first. */
function orderBy(values: readonly number[]): readonly number[] {
  const places: number[] = [];
  values
    .map((value, index) => ({ value, index }))
    .sort((a, b) => b.value - a.value || a.index - b.index)
    .forEach(({ index }, place) => (places[index] = place));
  return places;
}

function spendADay(spends: readonly DaySpend[], days: readonly string[]): readonly number[] {
  const spent = new Map(spends.map(({ day, yuan }) => [day, yuan]));
  return days.map((day) => spent.get(day) ?? 0);
}

/** A long path may break after its slashes. */
function named(key: string, link: string | undefined): string {
  const text = escapeHtml(key).replaceAll('/', '/<wbr>');
  return link === undefined ? text : `<a href="${escapeHtml(link)}" rel="noreferrer">${text}</a>`;
}

function linkOf(by: GroupBy, entry: LedgerEntry, gitlab: TablesInput['gitlab']): string | undefined {
  const base = entry.spare || !/^[\w.-]+(\/[\w.-]+)+$/.test(entry.project) ? undefined : gitlab(entry);
  if (base === undefined) return undefined;
  const project = `${base}/${entry.project}`;
  if (by === 'project') return project;
  if (by === 'job') return `${project}/-/jobs/${entry.jobId}`;
  if (by !== 'branch') return undefined;
  const request = /^refs\/merge-requests\/(\d+)\//.exec(entry.ref)?.[1];
  if (request !== undefined) return `${project}/-/merge_requests/${request}`;
  return `${project}/-/commits/${entry.ref.split('/').map(encodeURIComponent).join('/')}`;
}

function waste(failed: number, interrupted: number): string {
  return [
    ...(failed > 0 ? [`${count(failed)} failed`] : []),
    ...(interrupted > 0 ? [`${count(interrupted)} taken back`] : []),
  ].join(', ');
}
