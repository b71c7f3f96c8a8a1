import { checkSettings } from '../settings/settings';
import type { Settings } from '../settings/types';

/** What shell completion knows beyond commands and options: this host's jobs and profiles. */

type Words = readonly string[];

/**
 * `typed`: the words so far, without the program's name; the last one may be half typed. Never
 * throws: completion stays silent.
 */
export async function namesFor(typed: Words): Promise<Words> {
  try {
    const { settings } = checkSettings(process.env, { cloud: false });
    return settings ? await namesOf(kindOf(typed), settings) : [];
  } catch {
    return [];
  }
}

function kindOf(typed: Words): 'stack' | 'profile' | undefined {
  const [command, ...rest] = typed;
  const before = typed.at(-2) ?? '';
  if (before === '--instance' || before === '--profile') return 'profile';
  if (command === 'jobs') return rest.length === 2 && /^(show|rm)$/.test(rest[0]!) ? 'stack' : undefined;
  if (command === 'ssh') return rest.length === 1 ? 'stack' : undefined;
  if (command === 'price') return rest.length === 1 ? 'profile' : undefined;
  return undefined;
}

async function namesOf(kind: ReturnType<typeof kindOf>, { stateDir, profilesFile }: Settings): Promise<Words> {
  if (kind === 'stack') {
    const { RecordStore } = await import('../jobs/record-store');
    return new RecordStore(stateDir).list().map(({ stackName }) => stackName);
  }
  if (kind === 'profile') {
    const { readProfiles } = await import('../settings/profiles');
    return Object.keys(readProfiles(profilesFile).profiles);
  }
  return [];
}

/**
 * The words typed so far, when it is the shell that asks (yargs' own script calls us so).
 * Undefined: it does not.
 */
export function wordsToComplete(argv: Words): Words | undefined {
  const at = argv.indexOf('--get-yargs-completions');
  return at < 0 ? undefined : argv.slice(at + 2);
}
