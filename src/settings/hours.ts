/** A stretch of the week, in the host's own time. */
export interface Hours {
  /** 0: Sunday. */
  readonly days: readonly number[];
  /** Minutes since midnight; `to` is not in it. */
  readonly from: number;
  readonly to: number;
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const DAY = '(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat)';
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d';
const STRETCH = new RegExp(`^(?:(${DAY})(?:-(${DAY}))?\\s+)?(${TIME})-(${TIME}|24:00)$`, 'i');

/** `Mon-Fri 09:00-19:00, Sat 10:00-14:00`; without days: every day. Undefined: it is not that. */
export function parseHours(text: string): readonly Hours[] | undefined {
  const stretches = text.split(',').map((part) => parseStretch(part.trim()));
  return stretches.every((one) => one !== undefined) ? stretches : undefined;
}

/** Whether one of them holds this time. */
export function isWithin(hours: readonly Hours[], time: Date): boolean {
  const minute = time.getHours() * 60 + time.getMinutes();
  return hours.some(({ days, from, to }) => days.includes(time.getDay()) && from <= minute && minute < to);
}

function parseStretch(text: string): Hours | undefined {
  const [, first, last, from, to] = STRETCH.exec(text) ?? [];
  if (from === undefined || to === undefined) return undefined;
  const [begin, end] = [minutes(from), minutes(to)];
  return begin < end ? { days: daysOf(first, last), from: begin, to: end } : undefined;
}

/** `Fri-Mon` goes over the weekend. */
function daysOf(first: string | undefined, last = first): number[] {
  if (first === undefined || last === undefined) return [0, 1, 2, 3, 4, 5, 6];
  const [begin, end] = [DAYS.indexOf(first.toLowerCase()), DAYS.indexOf(last.toLowerCase())];
  return Array.from({ length: ((end - begin + 7) % 7) + 1 }, (_, index) => (begin + index) % 7);
}

function minutes(time: string): number {
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  return hour * 60 + minute;
}
