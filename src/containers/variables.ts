import { expandVariables, type JobVariables } from '../gitlab/expand';
import type { JobService, JobVariable } from '../gitlab/types';
import { quote } from '../ssh/quote';

/**
 * No process can be given a longer variable (execve(2)), nor more than that in all with the usual
 * stack. Characters.
 */
const LONGEST_VALUE = 128 * 1024;
const LARGEST_ENVIRONMENT = 2 * 1024 * 1024;

/**
 * What a service gets to see, as with GitLab's docker executor: the job's public variables and the
 * runner's own, not what stands in the settings of project and group; and the service's own, in
 * which references to those are filled in.
 */
export function serviceVariables(
  service: JobService,
  ofJob: readonly JobVariable[],
  expanded: JobVariables,
): JobVariables {
  const hidden = new Set(ofJob.filter((one) => !one.public).map(({ key }) => key));
  const shown = Object.fromEntries(Object.entries(expanded).filter(([name]) => !hidden.has(name)));
  const own = Object.fromEntries(service.variables.map(({ key, value }) => [key, value]));
  const known = { ...shown, ...own };
  let left = LARGEST_ENVIRONMENT;
  const filledIn = service.variables.map(({ key, value, raw }) => {
    const limit = { what: `Variable ${key} of service ${service.name}`, characters: Math.min(left, LONGEST_VALUE) };
    const text = raw ? value : expandVariables(value, known, limit);
    left -= text.length;
    return [key, text] as const;
  });
  return { ...shown, ...Object.fromEntries(filledIn) };
}

/** Variables in the two ways in which docker takes them without showing them to others. */
export interface ContainerEnvironment {
  /** `--env-file`: a line each, without any quoting. */
  readonly file: string;
  /**
   * For `--env NAME`, which takes the value from the client's own environment: its exports as sh
   * reads them.
   */
  readonly exports: string;
  readonly names: readonly string[];
}

/** Docker reads lines of up to 64 KiB. */
const LONGEST_LINE_BYTES = 60_000;
/**
 * Would make the client another program, or talk to another daemon; or a shell does not let itself
 * be told.
 */
const NOT_FOR_THE_CLIENT = /^(PATH|HOME|LD_.*|DOCKER_.*|BASH.*|ENV|SHELLOPTS|E?UID|PPID|GROUPS|IFS|PS4)$/;

export function containerEnvironment(variables: JobVariables): ContainerEnvironment {
  // No process can hold a NUL in its environment.
  const usable = Object.entries(variables).filter(
    ([name, value]) => /^[A-Za-z_]\w*$/.test(name) && !value.includes('\0'),
  );
  const isLine = (value: string): boolean => !/[\r\n]/.test(value) && Buffer.byteLength(value) < LONGEST_LINE_BYTES;
  const exported = usable.filter(([name, value]) => !isLine(value) && !NOT_FOR_THE_CLIENT.test(name));
  return {
    file: usable
      .filter(([, value]) => isLine(value))
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
    exports: exported.map(([name, value]) => `export ${name}=${quote(value)}\n`).join(''),
    names: exported.map(([name]) => name),
  };
}
