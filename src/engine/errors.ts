import { remedyOf } from '../cloud/errors';
import { SpotError } from '../errors';

/**
 * The cloud refused a resource of the stack. `code` is its own; whether another pool may do is
 * placement's to say.
 */
export class PlacementRefused extends SpotError {
  readonly blame = 'cloud';
  constructor(
    readonly code: string,
    /** The API's action, such as RunInstances; '' when the provider did not name one. */
    readonly action: string,
    readonly detail: string,
    cause?: unknown,
  ) {
    super(
      `Alibaba Cloud refused ${action === '' ? 'a resource of the stack' : action}: ${code}${detail === '' ? '' : `, ${detail}`}`,
      { remedy: remedyOf(code, action), retryable: true, cause },
    );
  }

  /** Only a refused instance can be mended by another type or zone. */
  get isInstance(): boolean {
    return this.action === 'RunInstances' || this.action === '';
  }
}

/** The pulumi CLI failed for a reason of its own. */
export class EngineFailed extends SpotError {
  readonly blame = 'host';
}

/** Another process works on the stack, or died while it did. */
export class StackLocked extends SpotError {
  readonly blame = 'host';
}

/** `up` was ended on request, and its CLI has come to rest. */
export class UpCancelled extends SpotError {
  readonly blame = 'host';
}
