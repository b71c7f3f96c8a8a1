/** One call to the API with the retries and the error text of the real provider. */
import type { Answer, CallOptions, Params } from '../api/client';
import { failed, isCode, isTemporary, located } from '../api/errors';
import { retry, waitForState, type StateWait } from '../waits';
import type { Context } from './resource';

export interface Call {
  readonly action: string;
  readonly params: Params;
  readonly options?: CallOptions;
  readonly timeoutMs: number;
  readonly pauseSeconds?: readonly [first: number, further: number];
  /** Codes to try again, besides throttling and faults of the service. */
  readonly retryCodes?: readonly string[];
  /** Resource named in the error: an id, or the type when there is none yet. */
  readonly resource: string;
  /** File and line of the real provider where this error arises. */
  readonly where: string;
}

/** @throws Error as the real provider prints it, with the ApiError as its cause */
export async function callApi(context: Context, call: Call): Promise<Answer> {
  try {
    return await retry(
      () => context.api.call(call.action, call.params, call.options),
      {
        timeoutMs: call.timeoutMs,
        ...(call.pauseSeconds === undefined ? {} : { pauseSeconds: call.pauseSeconds }),
        retryable: (error) => isTemporary(error) || isCode(error, ...(call.retryCodes ?? [])),
      },
      { clock: context.clock, sleeps: context.settings.sleeps },
    );
  } catch (error) {
    throw located(call.where, failed(call.resource, call.action), error);
  }
}

/** The same; undefined where the cloud answers with one of these codes. */
export async function callUnless(context: Context, codes: readonly string[], call: Call): Promise<Answer | undefined> {
  try {
    return await callApi(context, call);
  } catch (error) {
    if (error instanceof Error && isCode(error.cause, ...codes)) return undefined;
    throw error;
  }
}

/** A call of the VPC's API: how long it is tried follows from what it is for. */
export interface VpcCall extends Omit<Call, 'timeoutMs' | 'options' | 'pauseSeconds'> {
  readonly during: 'create' | 'update' | 'delete' | 'read';
  readonly inQuery?: readonly string[];
}

const READ_MS = 60_000;

/** As callApi; undefined where the cloud answers with one of the codes `unless`. */
export function callVpc(
  context: Context,
  call: VpcCall & { readonly unless: readonly string[] },
): Promise<Answer | undefined>;
export function callVpc(context: Context, call: VpcCall): Promise<Answer>;
export function callVpc(
  context: Context,
  { during, inQuery = [], unless = [], ...call }: VpcCall & { readonly unless?: readonly string[] },
): Promise<Answer | undefined> {
  const timeoutMs = during === 'read' ? READ_MS : context.timeouts[during];
  return callUnless(context, unless, { ...call, timeoutMs, options: { product: 'vpc', inQuery } });
}

/**
 * Waits for a state of a network's resource, from five seconds after it was asked for; what goes
 * wrong is told as the real provider does.
 */
export async function waitUntil(
  context: Context,
  { id, where, ...wait }: Omit<StateWait, 'delayMs'> & { readonly id: string; readonly where: string },
): Promise<void> {
  const { clock, settings, log } = context;
  const sleeps = settings.sleeps;
  await waitForState({ delayMs: sleeps.network, ...wait }, { clock, sleeps, log }).catch((error: unknown) => {
    throw located(where, `Resource id：${id} `, error);
  });
}
