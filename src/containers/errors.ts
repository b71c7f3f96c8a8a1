import { SpotError } from '../errors';

/**
 * The job wants containers, and its profile's image has no docker: another instance of that image
 * has none either.
 */
export class NoDocker extends SpotError {
  readonly blame = 'job';
}

/**
 * The image does not exist, or the job's credentials may not pull it, or it has no shell, or not
 * the command or user that is asked for. Trying again doesn't help.
 */
export class ImageRefused extends SpotError {
  readonly blame = 'job';
}

/**
 * The registry can't be reached, the pull took too long, the daemon failed: another attempt may do.
 */
export class ContainerFailed extends SpotError {
  readonly blame = 'machine';
}
