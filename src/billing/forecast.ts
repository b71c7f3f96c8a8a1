import { dayOf, monthOf, type DayRange, type DaySpend } from './ledger';

const DAY_MS = 86_400_000;
/** With fewer whole days nothing is foretold. */
const FEWEST_DAYS = 3;

/**
 * What will have been spent by the end of `range`: each day to come like the mean of the whole days
 * of its kind (working day or weekend) since the first job. Undefined: too early to say, or the
 * range is over.
 * @param days in the range or before, without gaps to be filled: a day that is left out cost nothing.
 */
export function forecast(days: readonly DaySpend[], range: DayRange, today: string): number | undefined {
  if (today < range.from || today > range.to) return undefined;
  const spent = new Map(days.map(({ day, yuan }) => [day, yuan]));
  const first = days.reduce((least, { day }) => (day < least ? day : least), today);
  const past = daysBetween(first, today).slice(0, -1);
  if (past.length < FEWEST_DAYS) return undefined;
  const all = mean(past.map((day) => spent.get(day) ?? 0))!;
  const expected = (day: string): number =>
    mean(past.filter((one) => isWeekend(one) === isWeekend(day)).map((one) => spent.get(one) ?? 0)) ?? all;
  const soFar = daysBetween(range.from, today).reduce((sum, day) => sum + (spent.get(day) ?? 0), 0);
  const restOfToday = Math.max(0, expected(today) - (spent.get(today) ?? 0));
  const toCome = daysBetween(today, range.to).slice(1);
  return soFar + restOfToday + toCome.reduce((sum, day) => sum + expected(day), 0);
}

/** Each day from one to another, both included. */
export function daysBetween(from: string, to: string): readonly string[] {
  const days: string[] = [];
  for (let at = Date.parse(from); at <= Date.parse(to); at += DAY_MS) days.push(dayOf(new Date(at)));
  return days;
}

function isWeekend(day: string): boolean {
  return [0, 6].includes(new Date(day).getUTCDay());
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The time before, to compare with: for a month that runs, last month until the same day. */
export function previousOf(range: DayRange, today: string): DayRange & { readonly name: string } {
  const last = today < range.to ? today : range.to;
  const month = monthOf(new Date(range.from));
  if (month.from === range.from && month.to === range.to) {
    const before = monthOf(new Date(Date.parse(range.from) - DAY_MS));
    const sameDay = `${before.from.slice(0, 8)}${last.slice(8)}`;
    const isCut = last < range.to && sameDay < before.to;
    const name = monthName(before.from);
    return isCut ? { from: before.from, to: sameDay, name: `${name} until then` } : { ...before, name };
  }
  const days = Math.round((Date.parse(last) - Date.parse(range.from)) / DAY_MS) + 1;
  const shifted = (by: number): string => dayOf(new Date(Date.parse(range.from) - by * DAY_MS));
  return { from: shifted(days), to: shifted(1), name: days === 1 ? 'the day before' : `the ${days} days before` };
}

/** `November`. */
export function monthName(day: string): string {
  return new Intl.DateTimeFormat('en', { month: 'long', timeZone: 'UTC' }).format(new Date(day));
}
