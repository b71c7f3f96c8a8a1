import { writeFileSync } from 'node:fs';
import { spareIdentity } from '../../src/jobs/identity';
import type { RecordStore } from '../../src/jobs/record-store';
import { planned, spareReady, type Spare } from '../../src/jobs/transitions';
import type { InstanceFacts } from '../../src/jobs/types';
import type { Profile, Settings } from '../../src/settings/types';
import { shapeOf } from '../../src/spares/shape';
import { START } from './fakes';
import { instanceFacts } from './job-record';
import { testProfile } from './profile';

export const HALF_HOUR = 30 * 60_000;

export const spareProfile = (change: Partial<Profile> = {}): Profile =>
  testProfile({
    spares: { keep: 1, when: [{ days: [0, 1, 2, 3, 4, 5, 6], from: 0, to: 1440 }], idleMs: HALF_HOUR },
    ...change,
  });

/** What a spare's shape follows from. */
export const shapeSettings = {
  cloud: { region: 'cn-x', vpcId: 'vpc-1', vSwitchIds: [], executorCidrs: ['10.0.0.5/32'], usePublicAddress: false },
  ssh: { port: 22, user: 'root' },
} as unknown as Pick<Settings, 'cloud' | 'ssh'>;

/** A machine that waits since the clock's start; of several, `number` tells them apart. */
export function spareRecord(
  {
    number = 1,
    profile = spareProfile(),
    startMs = START,
  }: { number?: number; profile?: Profile; startMs?: number } = {},
  instance: Partial<InstanceFacts> = {},
): Spare {
  const at = new Date(startMs).toISOString();
  const identity = spareIdentity(profile.name, startMs, `000${number}`.slice(-4));
  return spareReady(
    planned({ identity, executorId: 'host-1', profile: profile.name, timeoutMs: HALF_HOUR }, startMs),
    { ...instanceFacts, instanceId: `i-${number}`, durationHours: 1, createdAt: at, readyAt: at, ...instance },
    { shape: shapeOf(profile, shapeSettings), imageId: 'm-1', until: new Date(startMs + HALF_HOUR).toISOString() },
  );
}

/** With its key on disk. */
export function putSpare(store: RecordStore, record = spareRecord()): Spare {
  store.write(record);
  writeFileSync(store.files(record.identity.stackName).privateKey, 'KEY', { mode: 0o600 });
  return record;
}
