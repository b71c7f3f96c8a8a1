import type { JobVariables } from '../gitlab/expand';
import type { JobResponse } from '../gitlab/types';
import type { SshConnection } from '../ssh/types';

/** What a job's containers are made from. */
export interface ContainerRequest {
  readonly connection: SshConnection;
  readonly response: JobResponse;
  /** The job's variables, expanded. */
  readonly variables: JobVariables;
  /** On the instance; mounted into the job's container at the same place. */
  readonly buildsDir: string;
  readonly cacheDir: string;
  /** Limit for all images together. */
  readonly pullMs: number;
  /** Limit for the services to become ready; 0: nobody waits. */
  readonly serviceMs: number;
  /** Limit for the entry point's own part of the first start, in which some prepare a lot. */
  readonly entryPointMs: number;
  readonly log: { line(text: string): void; warn(text: string): void };
  readonly signal: AbortSignal;
}
