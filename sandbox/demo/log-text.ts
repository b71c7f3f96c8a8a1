/** A job's log as a reader of GitLab's page sees it: no section marks, colours only where they show. */
export function logText(log: string, coloured: boolean): string {
  const read = log
    .replace(/section_(?:start|end):\d+:[\w.-]+(?:\[[^\]]*\])?\r/g, '')
    .replaceAll('\x1b[0K', '')
    .replaceAll('\r\n', '\n');
  return coloured ? read.replaceAll('\x1b[0;m', '\x1b[0m') : read.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '');
}
