/**
 * `2026-11-24T13:25:38.809547Z 00O `: FF_TIMESTAMPS; a `+` in the blank's place goes on with the
 * line before.
 */
const TIMESTAMP = /(\n?)^\d{4}-\d\d-\d\dT[\d:.]+Z [0-9a-f]{2}[OE]([ +]?)/gm;

/**
 * A job's log as a reader of GitLab's page sees it: no section marks or times, colours only where
 * they show.
 */
export function logText(log: string, coloured: boolean): string {
  const read = log
    .replace(TIMESTAMP, (_all, newline: string, mark: string) => (mark === '+' ? '' : newline))
    .replace(/section_(?:start|end):\d+:[\w.-]+(?:\[[^\]]*\])?\r\x1b\[0K\n?/g, '')
    .replaceAll('\x1b[0K', '')
    .replaceAll('\r\n', '\n');
  return coloured ? read.replaceAll('\x1b[0;m', '\x1b[0m') : read.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '');
}
