import { parseDurationMs } from '../duration';
import { ConfigurationError } from '../errors';

/**
 * Milliseconds of an option's duration.
 * @param examples for the message: `90s, 5m or 1h` @throws ConfigurationError
 */
export function durationOption(option: string, text: string, examples: string, leastMs = 0): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= leastMs) return ms;
  throw new ConfigurationError(`${option} takes a duration such as ${examples}, not "${text}"`);
}
