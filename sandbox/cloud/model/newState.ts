/**
 * An account as it is on the first day: a VPC with a vSwitch in every zone, images, prices, one
 * access key.
 */
import { randomBytes } from 'node:crypto';
import { initialImages } from '../catalog/images';
import { zoneIds } from '../catalog/pools';
import { policyOfActions } from '../server/policy';
import type { CloudDelays, Quotas } from '../types';
import type { Random } from './random';
import type { CloudState, NatGateway, PublicAddress, RegionState, SnatEntry, Vpc, VSwitch } from './records';
import { emptyRegion } from './store';

const DEFAULT_DELAYS: CloudDelays = {
  apiMs: 0,
  pendingMs: 50,
  startingMs: 100,
  bootMs: 50,
  stoppingMs: 50,
  imageMs: 500,
};

/** Those of a real account are lower for spot; these let 200 instances of 8 vCPUs run. */
const DEFAULT_QUOTAS: Quotas = { securityGroups: 100, keyPairs: 500, spotVcpus: 4000, postPaidVcpus: 4000 };

export interface NewStateOptions {
  readonly region: string;
  readonly sshPort: number;
  readonly addressBlock: string;
  readonly now: number;
  readonly random: Random;
  readonly delays: Partial<CloudDelays>;
  /** Instance types on offer. */
  readonly types: number;
  /** As a team's account is after its first day: a RAM user's key, and a NAT gateway. */
  readonly isFurnished: boolean;
}

export function newState(options: NewStateOptions): CloudState {
  const { random, region } = options;
  const home = emptyRegion(region, options.types);
  const vpc = addVpc(home, options);
  zoneIds(region).forEach((zoneId, index) => addVSwitch(home, vpc, zoneId, index, options));
  for (const [id, image] of initialImages(options.now, {
    customId: random.id('m'),
    snapshotId: random.id('s'),
    sharedId: random.id('m'),
  }))
    home.images.set(id, image);
  if (options.isFurnished) addWayOut(home, vpc, options);
  const key = {
    id: `LTAI5t${randomBytes(9).toString('hex')}`,
    secret: randomBytes(15).toString('hex'),
    ...(options.isFurnished ? { userName: 'sandbox', policy: policyOfActions(['*']) } : { userName: 'root' }),
  };
  return {
    region,
    accountId: '1234567890123456',
    port: 0,
    sshPort: options.sshPort,
    addressBlock: options.addressBlock,
    randomState: random.state,
    delays: { ...DEFAULT_DELAYS, ...options.delays },
    quotas: DEFAULT_QUOTAS,
    callsPerMinute: {},
    balanceEnough: true,
    currency: 'CNY',
    unknownTypes: undefined,
    faults: [],
    accessKeys: new Map([[key.id, key]]),
    rootAccessKeyId: key.id,
    defaultVpcId: vpc.vpcId,
    charges: [],
    diskCharges: [],
    trafficCharges: [],
    spotPriceChanges: [],
    ram: { roles: new Map(), policies: new Map() },
    home,
  };
}

function addVpc(home: RegionState, { random, now }: NewStateOptions): Vpc {
  const vpc: Vpc = {
    vpcId: random.id('vpc'),
    name: 'sandbox',
    description: '',
    cidrBlock: '172.16.0.0/12',
    isDefault: true,
    routeTableId: random.id('vtb'),
    routerId: random.id('vrt'),
    createdAt: now,
    tags: {},
  };
  home.vpcs.set(vpc.vpcId, vpc);
  return vpc;
}

function addVSwitch(
  home: RegionState,
  vpc: Vpc,
  zoneId: string,
  index: number,
  { random, now }: NewStateOptions,
): void {
  const vSwitch: VSwitch = {
    vSwitchId: random.id('vsw'),
    vpcId: vpc.vpcId,
    zoneId,
    name: `sandbox-${zoneId.slice(-1)}`,
    description: '',
    cidrBlock: `172.16.${index}.0/24`,
    isDefault: true,
    createdAt: now,
    foreignAddresses: 0,
    tags: {},
  };
  home.vSwitches.set(vSwitch.vSwitchId, vSwitch);
}

/** For all of the VPC. */
function addWayOut(home: RegionState, { vpcId, cidrBlock }: Vpc, { random, now }: NewStateOptions): void {
  const gateway: NatGateway = {
    natGatewayId: random.id('ngw'),
    vpcId,
    vSwitchId: [...home.vSwitches.keys()][0]!,
    name: 'sandbox',
    description: '',
    snatTableId: random.id('stb'),
    forwardTableId: random.id('ftb'),
    createdAt: now,
    tags: {},
  };
  const address: PublicAddress = {
    allocationId: random.id('eip'),
    ipAddress: '203.0.113.1',
    bandwidthMbps: 100,
    internetChargeType: 'PayByTraffic',
    name: 'sandbox',
    description: '',
    boundTo: gateway.natGatewayId,
    createdAt: now,
    tags: {},
  };
  const entry: SnatEntry = {
    snatEntryId: random.id('snat'),
    snatTableId: gateway.snatTableId,
    name: '',
    snatIp: address.ipAddress,
    sourceVSwitchId: '',
    sourceCidr: cidrBlock,
  };
  home.natGateways.set(gateway.natGatewayId, gateway);
  home.addresses.set(address.allocationId, address);
  home.snatEntries.set(entry.snatEntryId, entry);
}
