/** `90`, `90s`, `30m`, `2h`, `1h30m`: whole numbers, a bare one is seconds. */
export const DURATION = /^(?:(\d{1,6})h)?(?:(\d{1,6})m(?:in)?)?(?:(\d{1,7})s?)?$/;

/** Milliseconds, or undefined for text that is no duration. */
export function parseDurationMs(text: string): number | undefined {
  const match = DURATION.exec(text.trim());
  if (!match || match[0] === '') return undefined;
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

/**
 * Says each line with the time that has passed since the first call of this: `2 min 05 s  Destroying …`.
 */
export function withElapsed(say: (line: string) => void, now: () => number): (line: string) => void {
  const startMs = now();
  return (line) => say(`${formatDuration(now() - startMs).padStart(11)}  ${line}`);
}

/** `850 ms`, `9.4 s`, `2 min 05 s`, `1 h 03 min`, for logs. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
