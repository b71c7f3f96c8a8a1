import { type Invocation } from '../cli/command';
import { isTruthy } from '../project/paths';
import { PULUMI_VERSION } from '../state/checkpoint';

/**
 * Variables that are switches, and not secret: of these the history keeps the value, of all others
 * only that they were set.
 */
const SWITCHES = [
  'CONTINUE_ON_ERROR', 'DEBUG_COMMANDS', 'DEV', 'DISABLE_AUTOMATIC_PLUGIN_ACQUISITION', 'DISABLE_CHECKPOINT_BACKUPS',
  'DISABLE_PROVIDER_PREVIEW', 'DISABLE_RESOURCE_REFERENCES', 'DISABLE_SECRETS', 'EXPERIMENTAL', 'FALLBACK_TO_STATE_SECRETS_MANAGER',
  'IGNORE_AMBIENT_PLUGINS', 'PARALLEL_DIFF', 'SKIP_CHECKPOINTS', 'SKIP_CONFIRMATIONS', 'SKIP_UPDATE_CHECK',
].map((name) => `PULUMI_${name}`); // prettier-ignore

/** What the history keeps of how a command was called. */
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
    if (name.startsWith('PULUMI_'))
      entries.push([`pulumi.env.${name}`, SWITCHES.includes(name) ? String(isTruthy(value)) : 'set']);
  }
  for (const name of flags.names()) {
    const value = flags.string(name)!;
    entries.push([`pulumi.flag.${name}`, value === 'true' || value === 'false' ? value : 'set']);
  }
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
