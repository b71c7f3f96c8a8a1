/**
 * The control API: what tests, demo and bench ask of the cloud that the real one has no call for.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { bill, chargeTraffic, costs } from '../model/billing';
import { reaches } from '../model/reach';
import type { Clock } from '../model/clock';
import { utcSeconds } from '../model/clock';
import type { Lifecycle } from '../model/lifecycle';
import type { Machines } from '../model/machines';
import { changePool, poolsOf } from '../model/pools';
import { priceChanges } from '../model/prices';
import { ramPolicySchema } from '../model/ramPolicy';
import type { CloudState, Instance } from '../model/records';
import type { Store } from '../model/store';
import type { CloudControl, Currency, InstanceView, RamPolicy } from '../types';
import type { CallLog } from './callLog';
import { readBody } from './parameters';
import { policyOfActions } from './policy';

export const CONTROL_PREFIX = '/-/control/';

const milliseconds = z.number().min(0);
const count = z.number().int().min(0);
const price = z.number().min(0);
const instanceId = z.string();
const poolName = z.object({ zoneId: z.string().optional(), instanceType: z.string().optional() });

const delays = z
  .object({
    apiMs: milliseconds,
    pendingMs: milliseconds,
    startingMs: milliseconds,
    bootMs: milliseconds,
    stoppingMs: milliseconds,
    imageMs: milliseconds,
  })
  .partial()
  .strict();

const quotas = z
  .object({ securityGroups: count, keyPairs: count, spotVcpus: count, postPaidVcpus: count })
  .partial()
  .strict();

const stockStatus = z.enum(['WithStock', 'ClosedWithStock', 'WithoutStock']);

const poolChange = z
  .object({
    stock: stockStatus,
    onDemandStock: stockStatus,
    onDemandYuanPerHour: price,
    spotYuanPerHour: price,
    interruptionRate: z.number().min(0).max(100),
  })
  .partial()
  .strip();

const fault = z
  .object({
    action: z.string(),
    match: z.record(z.string(), z.string()).optional(),
    error: z.object({ status: z.number().int(), code: z.string(), message: z.string() }).optional(),
    vanishWhilePending: z.boolean().optional(),
    vanishAfterMs: milliseconds.optional(),
    delayMs: milliseconds.optional(),
    dropConnection: z.enum(['before', 'after']).optional(),
    times: count.optional(),
    probability: z.number().min(0).max(1).optional(),
  })
  .strict();

/** The arguments of each method, as a JSON list. */
const ARGUMENTS = {
  leftovers: z.tuple([]),
  setDelays: z.tuple([delays]),
  setQuotas: z.tuple([quotas]),
  setCallsPerMinute: z.tuple([z.record(z.string(), count)]),
  setBalanceEnough: z.tuple([z.boolean()]),
  setCurrency: z.tuple([z.enum(['CNY', 'USD'])]),
  setUnknownTypes: z.tuple([z.enum(['refuse', 'empty'])]),
  setForeignAddresses: z.tuple([z.string(), count]),
  pools: z.tuple([]),
  setPool: z.tuple([poolName, poolChange]),
  inject: z.tuple([fault]),
  clearFaults: z.tuple([]),
  interrupt: z.tuple([instanceId, milliseconds]),
  vanish: z.tuple([instanceId]),
  deleteInstance: z.tuple([instanceId]),
  disconnect: z.tuple([instanceId]),
  reconnect: z.tuple([instanceId]),
  dropConnections: z.tuple([instanceId]),
  bill: z.tuple([]),
  costs: z.tuple([]),
  addTraffic: z.tuple([instanceId, z.number().min(0)]),
  reaches: z.tuple([z.string(), instanceId, count]),
  calls: z.tuple([]),
  addAccessKey: z.tuple([z.string(), z.array(z.string())]),
  addAccessKeyWithPolicy: z.tuple([z.string(), ramPolicySchema, z.string().optional()]),
  disableAccessKey: z.tuple([z.string()]),
} satisfies Record<keyof CloudControl, z.ZodType>;

const READS: ReadonlySet<string> = new Set<keyof CloudControl>([
  'leftovers',
  'pools',
  'bill',
  'costs',
  'reaches',
  'calls',
]);

export interface ControlSettings {
  readonly state: CloudState;
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly machines: Machines;
  readonly store: Store;
  readonly calls: CallLog;
}

/** Does what CloudControl promises; errors are plain sentences. */
export class ControlApi implements CloudControl {
  constructor(private readonly settings: ControlSettings) {}

  /**
   * POST `/-/control/METHOD` with a JSON list of arguments; 400 with `{ error }` when they are
   * wrong.
   */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = (request.url ?? '').slice(CONTROL_PREFIX.length).split('?')[0] ?? '';
    const { status, answer } = await this.answer(method, request);
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(answer ?? null));
  }

  private async answer(method: string, request: IncomingMessage): Promise<{ status: number; answer: unknown }> {
    const schema = Object.hasOwn(ARGUMENTS, method) ? ARGUMENTS[method as keyof CloudControl] : undefined;
    if (!schema) return { status: 404, answer: { error: `the control API has no method ${method}` } };
    try {
      const given = schema.parse(JSON.parse((await readBody(request)).toString('utf8') || '[]'));
      const call = this[method as keyof CloudControl] as (...args: unknown[]) => Promise<unknown>;
      const answer = await call.apply(this, given);
      if (!READS.has(method)) {
        this.settings.store.changed();
        await this.settings.store.saved();
      }
      return { status: 200, answer };
    } catch (error) {
      const text =
        error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : String(error);
      return { status: 400, answer: { error: `${method}: ${text}` } };
    }
  }

  async leftovers() {
    const { home } = this.settings.state;
    return {
      instances: [...home.instances.values()].map(view),
      securityGroupIds: [...home.securityGroups.keys()],
      keyPairNames: [...home.keyPairs.keys()],
    };
  }

  async setDelays(change: z.output<typeof delays>) {
    const { state } = this.settings;
    state.delays = { ...state.delays, ...defined(change) };
  }

  async setQuotas(change: z.output<typeof quotas>) {
    const { state } = this.settings;
    state.quotas = { ...state.quotas, ...defined(change) };
  }

  async setCallsPerMinute(limits: Readonly<Record<string, number>>) {
    this.settings.state.callsPerMinute = limits;
  }

  async setBalanceEnough(enough: boolean) {
    this.settings.state.balanceEnough = enough;
  }

  async setCurrency(currency: Currency) {
    this.settings.state.currency = currency;
  }

  async setUnknownTypes(answer: 'refuse' | 'empty') {
    this.settings.state.unknownTypes = answer;
  }

  async setForeignAddresses(vSwitchId: string, addresses: number) {
    const vSwitch = this.settings.state.home.vSwitches.get(vSwitchId);
    if (!vSwitch) throw new Error(`no vSwitch ${vSwitchId}`);
    vSwitch.foreignAddresses = addresses;
  }

  async pools() {
    return poolsOf(this.settings.state.home);
  }

  async setPool(where: z.output<typeof poolName>, change: z.output<typeof poolChange>) {
    const { home } = this.settings.state;
    const matching = poolsOf(home).filter(
      (pool) =>
        (where.zoneId === undefined || pool.zoneId === where.zoneId) &&
        (where.instanceType === undefined || pool.instanceType === where.instanceType),
    );
    if (matching.length === 0)
      throw new Error(`no pool with zone ${where.zoneId ?? 'any'} and type ${where.instanceType ?? 'any'}`);
    for (const pool of matching) {
      const changed = { ...pool, ...defined(change) };
      priceChanges(this.settings.state, pool, changed, this.settings.clock.now());
      changePool(home, changed);
    }
  }

  async inject(wanted: z.output<typeof fault>) {
    if (wanted.times === 0) return;
    this.settings.state.faults.push(defined(wanted));
  }

  async clearFaults() {
    this.settings.state.faults = [];
  }

  async interrupt(id: string, noticeMs: number) {
    this.settings.lifecycle.interrupt(this.instance(id), noticeMs);
  }

  async deleteInstance(id: string) {
    this.settings.lifecycle.release(this.instance(id));
  }

  async vanish(id: string) {
    this.settings.lifecycle.vanish(this.instance(id));
  }

  async disconnect(id: string) {
    await (await this.machine(id)).disconnect();
  }

  async reconnect(id: string) {
    await (await this.machine(id)).reconnect();
  }

  async dropConnections(id: string) {
    return (await this.machine(id)).dropConnections();
  }

  async bill() {
    return bill(this.settings.state, this.settings.clock.now());
  }

  async costs() {
    return costs(this.settings.state, this.settings.clock.now());
  }

  async addTraffic(id: string, gib: number) {
    chargeTraffic(this.settings.state, this.instance(id), gib);
  }

  async reaches(from: string, to: string, port: number) {
    return reaches(this.settings.state.home, from, to, port);
  }

  async calls() {
    return this.settings.calls.all();
  }

  async addAccessKey(accessKeyId: string, allowedActions: readonly string[]) {
    return this.addAccessKeyWithPolicy(accessKeyId, policyOfActions(allowedActions));
  }

  async addAccessKeyWithPolicy(accessKeyId: string, granted: RamPolicy, securityToken?: string) {
    const secret = randomBytes(15).toString('hex');
    this.settings.state.accessKeys.set(accessKeyId, {
      id: accessKeyId,
      secret,
      policy: granted,
      userName: accessKeyId.toLowerCase(),
      ...(securityToken === undefined ? {} : { securityToken }),
    });
    return { secret };
  }

  async disableAccessKey(accessKeyId: string) {
    const { accessKeys } = this.settings.state;
    const key = accessKeys.get(accessKeyId);
    if (!key) throw new Error(`no access key ${accessKeyId}`);
    accessKeys.set(accessKeyId, { ...key, endsAt: this.settings.clock.now() });
  }

  private instance(id: string): Instance {
    const instance = this.settings.state.home.instances.get(id);
    if (!instance) throw new Error(`no instance ${id}`);
    return instance;
  }

  private async machine(id: string) {
    const machine = await this.settings.machines.get(this.instance(id).instanceId);
    if (!machine) throw new Error(`instance ${id} has no running machine`);
    return machine;
  }
}

function view(instance: Instance): InstanceView {
  return {
    instanceId: instance.instanceId,
    status: instance.status,
    instanceType: instance.instanceType,
    zoneId: instance.zoneId,
    address: instance.address,
    keyPairName: instance.keyPairName,
    securityGroupIds: instance.securityGroupIds,
    tags: instance.tags,
    spotStrategy: instance.spotStrategy,
    priceYuanPerHour: instance.priceYuanPerHour,
    autoReleaseTime: instance.autoReleaseAt === undefined ? undefined : utcSeconds(instance.autoReleaseAt),
    createdAt: utcSeconds(instance.createdAt),
  };
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Without the fields that are undefined. */
function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Defined<T>;
}
