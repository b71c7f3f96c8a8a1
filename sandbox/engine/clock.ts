/** The time, with nanoseconds as Go has them. */
export interface Clock {
  /** RFC 3339 in UTC with up to nine digits, trailing zeros cut, as Go's RFC3339Nano. */
  now(): string;
  /** Seconds since 1970. */
  unixSeconds(): number;
  /** Nanoseconds since 1970, as digits. */
  unixNanoseconds(): string;
}

/** The system's clock; later readings of one process are never equal. */
export function systemClock(): Clock {
  const start = BigInt(Date.now()) * 1_000_000n;
  const mark = process.hrtime.bigint();
  const read = () => start + (process.hrtime.bigint() - mark);
  return {
    now: () => rfc3339(read()),
    unixSeconds: () => Number(read() / 1_000_000_000n),
    unixNanoseconds: () => String(read()),
  };
}

function rfc3339(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  const fraction = String(nanoseconds % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${seconds}${fraction && `.${fraction}`}Z`;
}
