import { randomBytes } from 'node:crypto';
import { mostItCosts } from '../billing/budget-check';
import { mostYuanPerHour } from '../prepare/plan';
import { machineId } from '../host/machine';
import { SpotError } from '../errors';
import type { Slot } from '../host/queue';
import { spareIdentity, spareTags } from '../jobs/identity';
import { abandoned, cutOff, neverBegan, planned, spareReady } from '../jobs/transitions';
import type { InstanceFacts } from '../jobs/types';
import { InstanceMaker, type MakerDependencies } from '../prepare/instance-maker';
import type { Profile } from '../settings/types';
import type { SshConnection } from '../ssh';
import { waitOf } from './decide';
import { shapeOf } from './shape';

export interface MakeDependencies extends MakerDependencies {
  /** A slot to create an instance, if there is one now: a job never waits behind a spare. */
  readonly trySlot: () => Slot | undefined;
  /** All that does not depend on a job. */
  readonly provision: (connection: SshConnection) => Promise<void>;
}

/** Jobs create all the instances that this host creates at a time. */
export class NoSlotNow extends SpotError {
  readonly blame = 'host';
}

/**
 * Makes one spare machine: a stack like any job's, which nobody has. What fails leaves a record for
 * the destroyer, or nothing.
 * @param onCreated called when the cloud has the instance, and another may be created
 * @throws SpotError
 */
export async function makeSpare(
  profile: Profile,
  dependencies: MakeDependencies,
  onCreated: () => void = () => undefined,
): Promise<InstanceFacts> {
  const slotNow = (): Slot => {
    const slot = dependencies.trySlot();
    if (!slot) throw new NoSlotNow('No slot is free to create an instance', { retryable: true });
    return { ...slot, release: () => (slot.release(), onCreated()) };
  };
  // First of all: without a free slot no login key is used up, which jobs need.
  let held: Slot | undefined = slotNow();
  const acquireSlot = (): Slot => {
    const slot = held ?? slotNow();
    held = undefined;
    return slot;
  };
  try {
    return await makeWith(acquireSlot, profile, dependencies);
  } finally {
    held?.release();
  }
}

async function makeWith(
  acquireSlot: () => Slot,
  profile: Profile,
  dependencies: MakeDependencies,
): Promise<InstanceFacts> {
  const { settings, store, now, signal, checkBudget, provision } = dependencies;
  const identity = spareIdentity(profile.name, now(), randomBytes(3).toString('hex').slice(0, 4));
  const lifeMs = waitOf(profile);
  const record = planned(
    {
      identity,
      executorId: settings.executorId,
      profile: profile.name,
      timeoutMs: lifeMs,
      reservedYuan: mostItCosts(mostYuanPerHour(profile), lifeMs),
      hookPid: process.pid,
    },
    now(),
  );
  await checkBudget({ record, verified: true, hold: () => store.write(record) });
  const maker = new InstanceMaker(
    {
      record,
      // A spare saves seconds; that is not worth the pay-as-you-go price.
      profile: { ...profile, spot: { ...profile.spot, fallback: 'none' } },
      tags: spareTags({
        identity,
        profile: profile.name,
        executorId: settings.executorId,
        stateDir: settings.stateDir,
        machine: machineId(settings.stateDir),
      }),
      lifeMs,
      verified: true,
      acquireSlot: async () => acquireSlot(),
      provision,
      ready: (one, instance, { imageId }) =>
        spareReady(one, instance, {
          shape: shapeOf(profile, settings),
          imageId,
          until: new Date(now() + lifeMs).toISOString(),
        }),
    },
    dependencies,
  );
  try {
    return await maker.make();
  } catch (error) {
    const left = store.readLenient(identity.stackName);
    if (left?.phase === 'preparing' && neverBegan(left)) store.remove(identity.stackName);
    else if (left?.phase === 'preparing')
      store.write(abandoned(signal.aborted ? cutOff(left) : left, undefined, now()));
    throw error;
  } finally {
    await maker.end();
  }
}
