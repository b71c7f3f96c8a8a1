import { parseDurationMs } from '../duration';
import { ConfigurationError } from '../errors';

const SECOND_MS = 1000;
/** Ten sections. What is left of the wait by then is less than GitLab's own. */
const LEAST_MS = 100;

/**
 * How many sections a runner needs in config.toml, so that gitlab-runner asks for its jobs this
 * often: its own `check_interval` is a second at least, and holds for each section.
 * @throws ConfigurationError
 */
export function sectionsFor(interval: string): number {
  const ms = /^\d{1,4}ms$/.test(interval) ? parseInt(interval, 10) : parseDurationMs(interval);
  if (ms !== undefined && ms >= LEAST_MS && ms <= SECOND_MS) return Math.ceil(SECOND_MS / ms);
  throw new ConfigurationError(`--check-interval takes a duration between 100ms and 1s, not "${interval}"`);
}
