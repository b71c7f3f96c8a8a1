import type { CloudInstance } from '../cloud/types';
import { SpotError } from '../errors';
import type { InstanceFacts, LossReason } from '../jobs/types';

/** The job's instance is gone, now or since an earlier stage. */
export class InstanceLost extends SpotError {
  readonly blame = 'machine';
  constructor(
    message: string,
    cause?: unknown,
    /**
     * Only set by the stage that noticed the loss and reports it; later stages end without a
     * message.
     */
    readonly code?: LossReason,
  ) {
    super(message, { retryable: true, cause });
  }
}

export interface Loss {
  readonly reason: LossReason;
  /** One sentence for the job's log. */
  readonly message: string;
}

/** What else is known of the instance when its connection is gone. */
export interface LossFacts {
  readonly instance: InstanceFacts;
  /** Undefined: the cloud does not know the instance any more. */
  readonly seen: CloudInstance | undefined;
  /** The instance itself or the cloud has announced that it is taken back. */
  readonly interrupted: boolean;
  readonly releaseAt: string | undefined;
  readonly nowMs: number;
}

const AGAIN = 'GitLab runs the job again with `retry: when: runner_system_failure`.';

export function takenBack({ instanceId }: InstanceFacts): Loss {
  return { reason: 'interrupted', message: `The cloud took the spot instance ${instanceId} back. ${AGAIN}` };
}

/** What became of an instance that no longer answers; undefined: the cloud says that it runs. */
export function lossOf({ instance, seen, interrupted, releaseAt, nowMs }: LossFacts): Loss | undefined {
  const { instanceId } = instance;
  if (seen && seen.status !== 'Stopping' && seen.status !== 'Stopped') return undefined;
  if (interrupted || seen?.recycling) return takenBack(instance);
  if (seen) {
    return { reason: 'vanished', message: `The instance ${instanceId} was stopped while the job ran. ${AGAIN}` };
  }
  if (releaseAt !== undefined && Date.parse(releaseAt) <= nowMs) {
    return {
      reason: 'released',
      message: `The instance ${instanceId} reached its release time (${releaseAt}) and is gone.`,
    };
  }
  return {
    reason: 'deleted',
    message: `The instance ${instanceId} was deleted while the job ran: the cloud doesn't know it any more. ${AGAIN}`,
  };
}

/** It may still run, but nothing of ours reaches it. */
export function unreachable(instance: InstanceFacts, detail: string, interrupted: boolean): Loss {
  if (interrupted) return takenBack(instance);
  return {
    reason: 'unreachable',
    message: `The instance ${instance.instanceId} can't be reached any more: ${detail}. ${AGAIN}`,
  };
}
