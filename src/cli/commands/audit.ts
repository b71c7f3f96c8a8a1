import stringWidth from 'string-width';
import type { AuditEntry } from '../../audit/log';
import { jsonText, printable } from '../../printable';
import { defineCommand } from '../command';
import { durationOption } from '../duration-option';
import { fold } from '../prose';
import { columnsHere, table } from '../table';

interface CommandLine {
  readonly since: string | undefined;
  readonly json: boolean;
}

export const auditCommand = defineCommand<CommandLine>({
  command: 'audit',
  describe: 'What people and the reaper did on this host, and when',
  builder: (yargs) =>
    yargs.options({
      since: { type: 'string', describe: 'Only of the last, such as 24h' },
      json: { type: 'boolean', default: false, describe: 'As JSON, for scripts' },
    }) as never,
  needs: { cloud: false, host: true },
  async run({ since, json }, { settings, out }) {
    const { auditEntries } = await import('../../audit/log');
    const fromMs = since === undefined ? 0 : Date.now() - durationOption('--since', since, '90s, 5m or 24h');
    const entries = auditEntries(settings.stateDir).filter(({ at }) => Date.parse(at) >= fromMs);
    if (json) return out(`${jsonText(entries)}\n`);
    if (entries.length === 0) return out('Nothing is written down.\n');
    out(auditText(entries, columnsHere()));
  },
});

/** For people: a table where the terminal has room for it, else what belongs to a time below it. */
export function auditText(entries: readonly AuditEntry[], columns: number): string {
  const rows = entries.map(({ at, who, action, target = '–', detail = '' }) => [
    at,
    who.sudoUser === undefined ? `${who.user} (${who.uid})` : `${who.sudoUser} as ${who.user}`,
    action,
    target,
    // A change of the budget is JSON without a space, which no narrow terminal could fold.
    detail.replaceAll(',"', ', "'),
  ]);
  const wide = table(
    ['when', 'who', 'what', 'on', 'detail'].map((title) => ({ title })),
    rows,
    Infinity,
  );
  const fits = wide.split('\n').every((line) => stringWidth(line) <= columns);
  return fits ? wide : rows.map((row) => below(row, columns)).join('');
}

function below(row: readonly string[], columns: number): string {
  const [at, who, action, target, detail] = row.map(printable);
  const text = `${at}  ${who}\n  ${action} ${target}\n${detail === '' ? '' : `  ${detail}\n`}`;
  return fold(text, columns, 2);
}
