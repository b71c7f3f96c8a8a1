/** One call of the RPC API: who, what, may they, and the answer. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { SERVICE_OF_VERSION, type Action, type Context, type Service } from '../actions/action';
import { checkLimits } from '../actions/limits';
import { findAction } from '../actions/registry';
import { REGION_IDS } from '../catalog/regions';
import type { AccessKey } from '../model/records';
import type { Fault } from '../types';
import { ApiError, missingParameter, notFound } from './errors';
import { takeFault } from './faults';
import { mergeParameters, nest, readBody, type Parameters } from './parameters';
import { checkPermission } from './policy';
import { requestTags, resourcesOf, type Touching } from './resources';
import { claimOf, SignatureCheck } from './signature';
import { claimOfV3, isV3, parametersOfV3 } from './signatureV3';
import { withoutSecrets, type CallLog } from './callLog';
import { Throttle } from './throttle';
import type { Store } from '../model/store';

/** That there is nothing after all turns out no sooner, unless the fault says so. */
const SHORTAGE_FOUND_MS = 2_000;

/** What a call needs besides what comes with it. */
export interface RpcSettings {
  readonly calls: CallLog;
  readonly store: Store;
  readonly context: Omit<Context, 'region' | 'regionId' | 'caller' | 'vanishesAfterMs'>;
  /** State of one of the other regions, which are empty. */
  readonly otherRegion: (regionId: string) => Context['region'];
  readonly onCall?: OnCall | undefined;
}

/** Told of each call right before and right after it takes effect; the call waits for it. */
export type OnCall = (call: {
  readonly action: string;
  readonly parameters: Parameters;
  /** Undefined: before. */
  readonly answer: object | undefined;
}) => Promise<void> | void;

/** The connection is to be cut instead of answered. */
class ConnectionDropped extends Error {}

/** Every call but these changes something. */
const READS = /^(Describe|List|Get)/;

export class RpcApi {
  private readonly signatures: SignatureCheck;
  private readonly throttle: Throttle;

  constructor(private readonly settings: RpcSettings) {
    const { state, clock } = settings.context;
    this.throttle = new Throttle(state, clock);
    this.signatures = new SignatureCheck(
      (id) => state.accessKeys.get(id),
      () => clock.now(),
    );
  }

  /** Answers the request, whatever is wrong with it. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let parameters: Parameters = {};
    try {
      const body = await readBody(request);
      parameters = parametersOf(request, body);
      await this.wait(this.settings.context.state.delays.apiMs);
      const key = this.signatures.check(
        isV3(request) ? claimOfV3(request, body) : claimOf(request.method ?? 'POST', checked(parameters)),
      );
      const answer = await this.call(parameters, key, request.socket instanceof TLSSocket);
      this.respond(request, response, parameters, 200, answer);
    } catch (error) {
      if (error instanceof ConnectionDropped) return this.drop(response, parameters);
      const known = error instanceof ApiError ? error : internalError(error);
      this.respond(request, response, parameters, known.status, {
        Code: known.code,
        Message: known.message,
        ...known.details,
      });
    }
  }

  private async call(parameters: Parameters, key: AccessKey, secure: boolean): Promise<object> {
    const { service, name, action } = actionOf(parameters);
    const caller = { ...key, id: parameters.AccessKeyId ?? '' };
    const { state, random } = this.settings.context;
    const nested = nest(parameters);
    const region = this.regionOf(parameters);
    this.checkPermission(
      { service, action: name, parameters, nested, ...region, accountId: state.accountId },
      key,
      secure,
    );
    this.throttle.count(name, region.regionId);
    checkLimits(service, name, nested);
    const fault = takeFault(state, random, name, parameters);
    if (fault) await this.beforeFault(fault);
    const context = {
      ...this.settings.context,
      ...region,
      caller,
      vanishesAfterMs: fault?.vanishWhilePending ? (fault.vanishAfterMs ?? SHORTAGE_FOUND_MS) : undefined,
    };
    await this.settings.onCall?.({ action: name, parameters, answer: undefined });
    const answer = action(context, nested) ?? {};
    if (!READS.test(name)) {
      this.settings.store.changed();
      await this.settings.store.saved();
    }
    await this.settings.onCall?.({ action: name, parameters, answer });
    if (fault?.dropConnection === 'after') throw new ConnectionDropped();
    return answer;
  }

  private async beforeFault(fault: Fault): Promise<void> {
    this.settings.store.changed();
    await this.wait(fault.delayMs ?? 0);
    if (fault.dropConnection === 'before') throw new ConnectionDropped();
    if (fault.error) throw new ApiError(fault.error.status, fault.error.code, fault.error.message);
  }

  private regionOf(parameters: Parameters): Pick<Context, 'region' | 'regionId'> {
    const { context, otherRegion } = this.settings;
    const regionId = parameters.RegionId || context.state.region;
    if (regionId === context.state.region) return { regionId, region: context.state.home };
    if (!REGION_IDS.includes(regionId)) throw notFound('InvalidRegionId.NotFound', 'RegionId');
    return { regionId, region: otherRegion(regionId) };
  }

  private checkPermission(call: Touching, key: AccessKey, secureTransport: boolean): void {
    // Everybody may ask who they are, and where the services are.
    if (!key.policy || call.action === 'GetCallerIdentity' || call.service === 'location') return;
    const { accountId, nested } = call;
    const question = { accountId, requestTags: requestTags(nested), secureTransport };
    checkPermission(key, { ...question, action: ramActionOf(call), resources: resourcesOf(call) });
    const role = call.action === 'RunInstances' ? call.parameters.RamRoleName : undefined;
    if (role) {
      const resources = [{ arn: `acs:ram:*:${accountId}:role/${role.toLowerCase()}`, tags: {} }];
      checkPermission(key, { ...question, action: 'ram:PassRole', resources });
    }
  }

  private respond(
    request: IncomingMessage,
    response: ServerResponse,
    parameters: Parameters,
    status: number,
    answer: object,
  ): void {
    const code = (answer as { Code?: string }).Code;
    this.log(parameters, status, code);
    const host = status === 200 ? {} : { HostId: request.headers.host ?? '' };
    const text = JSON.stringify({ RequestId: randomUUID().toUpperCase(), ...host, ...answer });
    response.writeHead(status, {
      'Content-Type': 'application/json;charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
    });
    response.end(text);
  }

  private drop(response: ServerResponse, parameters: Parameters): void {
    this.log(parameters, 0, 'ConnectionDropped');
    response.socket?.destroy();
  }

  private log(parameters: Parameters, status: number, code: string | undefined): void {
    this.settings.calls.add({
      action: parameters.Action ?? '',
      params: withoutSecrets(parameters),
      status,
      ...(code === undefined ? {} : { code }),
      atMs: this.settings.context.clock.now(),
    });
  }

  private wait(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => void this.settings.context.clock.after(ms, resolve));
  }
}

function parametersOf(request: IncomingMessage, body: Buffer): Parameters {
  const query = request.url?.split('?')[1] ?? '';
  const sent = mergeParameters(query, request.headers['content-type'] ?? '', body.toString('utf8'));
  return isV3(request) ? { ...sent, ...parametersOfV3(request) } : sent;
}

/** As a policy names it: mostly as the API does. */
function ramActionOf({ service, action }: Pick<Touching, 'service' | 'action'>): string {
  const name = `${service}:${action}`;
  return name === 'cms:DescribeMetricLast' ? 'cms:QueryMetricLast' : name;
}

/** An action that doesn't exist is refused before anybody looks at the signature. */
function checked(parameters: Parameters): Parameters {
  actionOf(parameters);
  return parameters;
}

function actionOf(parameters: Parameters): { service: Service; name: string; action: Action } {
  const name = parameters.Action;
  if (!name) throw missingParameter('Action');
  if (!parameters.Version) throw missingParameter('Version');
  const service = SERVICE_OF_VERSION[parameters.Version];
  const action = service && findAction(service, name);
  if (!action) {
    throw new ApiError(404, 'InvalidAction.NotFound', 'Specified api is not found, please check your url and method.');
  }
  return { service, name, action };
}

function internalError(error: unknown): ApiError {
  return new ApiError(500, 'InternalError', `The simulated cloud failed: ${String(error)}`);
}
