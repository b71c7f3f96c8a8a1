import { type Invocation } from '../cli/command';
import { PULUMI_VERSION } from '../state/checkpoint';

/** Variables of which the history keeps the value (they are switches); of the others only that they were set. */
const SWITCH = /^(true|false|1|0)$/i;
const FLAGS_WITHOUT_RECORD = ['client-address'];

/** What the history keeps of how a command was called: names, never values that could be secret. */
export function updateEnvironment({ flags, env }: Invocation): Record<string, string> {
  const entries: [string, string][] = [
    ['pulumi.arch', process.arch === 'x64' ? 'amd64' : process.arch],
    ['pulumi.os', process.platform],
    ['pulumi.version', PULUMI_VERSION],
    ['stack.environments', '[]'],
    ['updatePlan', 'false'],
  ];
  const kind = flags.string('exec-kind');
  if (kind) entries.push(['exec.kind', kind]);
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith('PULUMI_') && value && !FLAGS_OF_BACKEND.has(name))
      entries.push([`pulumi.env.${name}`, recorded(name, value)]);
  }
  for (const name of flags.names()) {
    if (FLAGS_WITHOUT_RECORD.includes(name) || name === 'event-log') continue;
    entries.push([
      `pulumi.flag.${name}`,
      flags.string(name) === 'true' || flags.string(name) === 'false' ? flags.string(name)! : 'set',
    ]);
  }
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const FLAGS_OF_BACKEND = new Set(['PULUMI_BACKEND_URL']);

function recorded(name: string, value: string): string {
  return SWITCH.test(value) && name !== 'PULUMI_AUTOMATION_API' ? value : 'set';
}
