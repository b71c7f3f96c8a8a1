/**
 * The simulated cloud: an ECS and VPC endpoint on a loopback port, whose instances are machines on
 * this host.
 */
import { mkdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { randomInt } from 'node:crypto';
import { startMachine, type MachineSpec, type StartMachine } from '../instance';
import type { Context } from './actions/action';
import { freeSshPort, reserveBlock, type AddressBlock } from './model/addresses';
import { systemClock, type Clock } from './model/clock';
import { Lifecycle } from './model/lifecycle';
import { Machines } from './model/machines';
import { newState } from './model/newState';
import { Random } from './model/random';
import type { CloudState, RegionState } from './model/records';
import { emptyRegion, readStateFile, Store } from './model/store';
import { isObjectRequest, ObjectApi } from './objects/api';
import { ObjectStore } from './objects/store';
import { CallLog } from './server/callLog';
import { certificatesIn } from './server/certificates';
import { ControlApi, CONTROL_PREFIX } from './server/controlApi';
import { listen, type Listener } from './server/listener';
import { MetadataService } from './server/metadata';
import { RpcApi, type OnCall } from './server/rpc';
import { cloudControl } from './control';
import type { CloudControl, CloudInfo, CloudOptions } from './types';

/** What a caller in the same process may hand in. */
export interface StartCloudOptions extends CloudOptions {
  /** Left out: machines of `machineKind` (ssh2 when that is left out too). */
  readonly startMachine?: StartMachine;
  readonly clock?: Clock;
  /** For the generator behind ids, fault probabilities and addresses; only of a new cloud. */
  readonly seed?: number;
  readonly log?: (line: string) => void;
  /** As a team's account is after its first day: a RAM user's key, and a NAT gateway. Only of a new cloud. */
  readonly isFurnished?: boolean;
  /** What the account's own images bring along besides gitlab-runner. */
  readonly programs?: MachineSpec['programs'];
  readonly onCall?: OnCall;
}

export interface Cloud {
  readonly info: CloudInfo;
  readonly control: CloudControl;
  /** Ends the endpoint and kills every machine. The state stays in the folder. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the cloud of a folder, or goes on with the one that is there: same port, same resources,
 * running instances with their machines. Rejects with one sentence when port or addresses are
 * taken.
 */
export async function startCloud(options: StartCloudOptions): Promise<Cloud> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const clock = options.clock ?? systemClock;
  const earlier = readStateFile(options.directory);
  const random = new Random(earlier?.randomState ?? options.seed ?? randomInt(2 ** 32));
  const block = await reserveBlock(earlier?.addressBlock, random);
  try {
    return await open({
      options,
      clock,
      random,
      block,
      state: earlier ?? (await firstState(options, clock, random, block)),
    });
  } catch (error) {
    await block.release();
    throw error;
  }
}

/** A real region sells some 775; this many hold all kinds, and are quick to list. */
const DEFAULT_TYPES = 320;

async function firstState(
  options: StartCloudOptions,
  clock: Clock,
  random: Random,
  block: AddressBlock,
): Promise<CloudState> {
  return newState({
    region: options.region ?? 'cn-hangzhou',
    sshPort: options.sshPort ?? (await freeSshPort(block.block)),
    addressBlock: block.block,
    now: clock.now(),
    random,
    delays: options.delays ?? {},
    types: options.types ?? DEFAULT_TYPES,
    isFurnished: options.isFurnished ?? false,
  });
}

interface Parts {
  readonly options: StartCloudOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly block: AddressBlock;
  readonly state: CloudState;
}

async function open({ options, clock, random, block, state }: Parts): Promise<Cloud> {
  const log = options.log ?? ((): void => undefined);
  const certificates = await certificatesIn(options.directory, state.region);
  const store = new Store(options.directory, state, () => (state.randomState = random.state));
  const calls = new CallLog(options.directory);
  const endpoint = (): string => `127.0.0.1:${state.port}`;
  const machines = new Machines(options.startMachine ?? startMachine(options.machineKind ?? 'ssh2'), {
    directory: options.directory,
    sshPort: state.sshPort,
    metadataUrl: (instanceId) => MetadataService.urlOf(endpoint(), instanceId),
    keyPair: (name) => state.home.keyPairs.get(name),
    // The account's own images were baked for jobs, as deploy/ bakes them; the cloud's own have
    // nothing of ours.
    programs: (imageId) =>
      state.home.images.get(imageId)?.owner === 'self'
        ? { 'gitlab-runner': 'stand-in', ...options.programs }
        : undefined,
    sharedFolders: options.sharedFolders ?? [],
    knowsTokens: (imageId) => state.home.images.get(imageId)?.imdsSupport === 'v2',
    log,
  });
  const lifecycle = new Lifecycle(state, clock, machines, () => store.changed());
  const others = new Map<string, RegionState>();
  const otherRegion = (id: string): RegionState => others.get(id) ?? (others.set(id, emptyRegion(id)), others.get(id)!);
  const objectStore = new ObjectStore(path.join(options.directory, 'oss'), () => clock.now());
  const context: Omit<Context, 'region' | 'regionId' | 'caller' | 'vanishesAfterMs'> = {
    state,
    clock,
    random,
    lifecycle,
    bucketBytes: (bucket) => objectStore.bytesIn(bucket),
    get endpoint() {
      return endpoint();
    },
  };
  const rpc = new RpcApi({ calls, store, otherRegion, context, onCall: options.onCall });
  const control = new ControlApi({ state, clock, lifecycle, machines, store, calls });
  const metadata = new MetadataService(state, clock);
  const objects = new ObjectApi({ store: objectStore, state, clock, calls, random });

  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    const url = request.url ?? '/';
    if (MetadataService.isMetadata(url)) metadata.handle(request, response);
    else if (url.startsWith(CONTROL_PREFIX)) void control.handle(request, response);
    else if (isObjectRequest(request)) void objects.handle(request, response);
    else void rpc.handle(request, response);
  };
  const listener = await listen(options.port || state.port, certificates, handler);
  state.port = listener.port;
  store.changed();
  await store.saved();
  lifecycle.resume();
  const info = infoOf(state, certificates.caFile);
  return {
    info,
    control: cloudControl(info.endpoint),
    close: closer({ listener, lifecycle, machines, store, calls, block }),
  };
}

interface Closing {
  readonly listener: Listener;
  readonly lifecycle: Lifecycle;
  readonly machines: Machines;
  readonly store: Store;
  readonly calls: CallLog;
  readonly block: AddressBlock;
}

function closer(parts: Closing): () => Promise<void> {
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    parts.lifecycle.close();
    await parts.listener.close();
    await parts.machines.killAll();
    parts.store.close();
    await parts.calls.close();
    await parts.block.release();
  };
  return () => (closing ??= close());
}

function infoOf(state: CloudState, caFile: string): CloudInfo {
  const vSwitches = [...state.home.vSwitches.values()].filter((vSwitch) => vSwitch.vpcId === state.defaultVpcId);
  return {
    endpoint: `127.0.0.1:${state.port}`,
    region: state.region,
    caFile: path.resolve(caFile),
    accessKeyId: state.rootAccessKeyId,
    accessKeySecret: state.accessKeys.get(state.rootAccessKeyId)?.secret ?? '',
    vpcId: state.defaultVpcId,
    vSwitchIds: Object.fromEntries(vSwitches.map((vSwitch) => [vSwitch.zoneId, vSwitch.vSwitchId])),
    imageIds: [...state.home.images.keys()],
    sshPort: state.sshPort,
    sshUser: 'root',
  };
}
