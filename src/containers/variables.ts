import { expandVariables, type JobVariables } from '../gitlab/expand';
import type { JobService, JobVariable } from '../gitlab/types';
import { quote } from '../ssh/quote';

/**
 * What a service gets to see, as with GitLab's docker executor: the job's public variables and the runner's own, not what stands in the
 * settings of project and group; and the service's own, in which references to those are filled in.
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
  const filledIn = service.variables.map(
    ({ key, value, raw }) => [key, raw ? value : expandVariables(value, known)] as const,
  );
  return { ...shown, ...Object.fromEntries(filledIn) };
}

/** Variables in the two ways in which docker takes them without showing them to others. */
export interface ContainerEnvironment {
  /** `--env-file`: a line each, without any quoting. */
  readonly file: string;
  /** For `--env NAME`, which takes the value from the client's own environment: its exports as sh reads them. */
  readonly exports: string;
  readonly names: readonly string[];
}

/** Docker reads lines of up to 64 KiB. */
const LONGEST_LINE_BYTES = 60_000;
/** Would make the client another program, or talk to another daemon; or a shell does not let itself be told. */
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
