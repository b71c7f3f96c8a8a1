import type { InstanceDependencies } from '../doctor/instance/examine';
import { RecordStore } from '../jobs/record-store';
import { readProfiles } from '../settings/profiles';
import type { Settings } from '../settings/types';
import { prepareDependencies } from './prepare';
import { destroyerDependencies } from './teardown';

/** The real outside world of `doctor --instance`. */
export function instanceDependencies(
  settings: Settings,
  { say, signal }: Pick<InstanceDependencies, 'say' | 'signal'>,
): Omit<InstanceDependencies, 'onFinding'> {
  return {
    settings,
    store: new RecordStore(settings.stateDir),
    profiles: readProfiles(settings.profilesFile),
    prepare: (log) => prepareDependencies(settings, log, signal),
    destroyer: destroyerDependencies(settings, say),
    say,
    signal,
    now: Date.now,
  };
}
