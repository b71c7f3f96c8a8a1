import { SpotError } from '../errors';

/**
 * The job asked for something that it can't have: its own fault, and no further attempt mends it.
 */
export class JobChoiceError extends SpotError {
  readonly blame = 'job';
}
