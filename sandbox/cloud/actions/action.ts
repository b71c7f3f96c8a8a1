/** How an action of the API is written: a schema of its parameters, and what it does with them. */
import type { z } from 'zod';
import type { Clock } from '../model/clock';
import type { Lifecycle } from '../model/lifecycle';
import type { AccessKey, CloudState, RegionState } from '../model/records';
import type { Random } from '../model/random';
import { ApiError, missingParameter } from '../server/errors';
import type { Nested } from '../server/parameters';

/** What an action works with. */
export interface Context {
  readonly state: CloudState;
  /** The region that the call names: the simulated one, or one of the others, which are empty. */
  readonly region: RegionState;
  readonly regionId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifecycle: Lifecycle;
  readonly caller: AccessKey & { readonly id: string };
  /**
   * A fault injected for this RunInstances: the instance is accepted and disappears. Milliseconds;
   * undefined: it stays.
   */
  readonly vanishesAfterMs: number | undefined;
  /** `127.0.0.1:PORT` of this cloud. */
  readonly endpoint: string;
  /** What lies in a bucket of OSS; undefined: there is none of that name. */
  readonly bucketBytes: (bucket: string) => number | undefined;
}

/** Fields of the answer besides RequestId. */
export type Answer = Readonly<Record<string, unknown>>;

export type Action = (context: Context, parameters: { readonly [name: string]: Nested }) => Answer | void;

/** Actions of one service and one kind of thing, by name. */
export interface ActionGroup {
  readonly service: Service;
  readonly actions: Readonly<Record<string, Action>>;
}

export type Service = 'ecs' | 'vpc' | 'sts' | 'ram' | 'location' | 'cms';

/** By the API version, which every call carries. */
export const SERVICE_OF_VERSION: Readonly<Record<string, Service>> = {
  '2014-05-26': 'ecs',
  '2016-04-28': 'vpc',
  '2015-04-01': 'sts',
  '2015-05-01': 'ram',
  '2015-06-12': 'location',
  '2019-01-01': 'cms',
};

/**
 * An action with checked parameters. Parameters that it doesn't know are let through unseen, as the
 * real API does.
 */
export function action<S extends z.ZodType>(
  schema: S,
  run: (context: Context, parameters: z.output<S>) => Answer | void,
): Action {
  return (context, parameters) => {
    const parsed = schema.safeParse(parameters);
    if (!parsed.success) throw toApiError(parsed.error, parameters);
    return run(context, parsed.data);
  };
}

function toApiError(error: z.ZodError, parameters: { readonly [name: string]: Nested }): ApiError {
  const issue = error.issues[0];
  const name = (issue?.path ?? []).map((part) => (typeof part === 'number' ? part + 1 : String(part))).join('.');
  if (issue?.path.length === 1 && parameters[String(issue.path[0])] === undefined) return missingParameter(name);
  const code = issue?.code === 'custom' && issue.params?.code ? String(issue.params.code) : 'InvalidParameter';
  const message = issue?.code === 'custom' ? issue.message : `The specified parameter "${name}" is not valid.`;
  return new ApiError(400, code, message);
}
