import type { Account, Vpc } from '../cloud/account';
import type { HostPlace } from '../cloud/host-place';
import type { Cloud, VSwitch } from '../cloud/types';
import type { FoundationArgs, FoundationResult } from '../engine/foundation';
import { ConfigurationError } from '../errors';
import type { Prompt } from '../host/prompt';
import { counted } from '../plural';
import { existingNetwork, isFoundation } from './existing-network';
import { tellHowReached, tellWayOut } from './network-notes';

/** What the command line says; undefined: ask, or take what the env file has. */
export interface InitRequest {
  readonly region: string | undefined;
  readonly accessKeyId: string | undefined;
  readonly ramRole: string | undefined;
  readonly vpcId: string | undefined;
  readonly vSwitchIds: string | undefined;
  readonly executorCidr: string | undefined;
  /**
   * Make VPC, vSwitches, bucket and role. Undefined: ask; without a person, where no VPC is named,
   * it is an error.
   */
  readonly makeFoundation: boolean | undefined;
  /** One security group for all jobs. Undefined: as it is now. */
  readonly sharedGroup: boolean | undefined;
  readonly foundation: Pick<FoundationArgs, 'name' | 'instanceTypes' | 'cache' | 'state' | 'role'>;
  /**
   * With the foundation: a NAT gateway, which costs money by the hour. Undefined: ask; without a
   * person: as it is.
   */
  readonly makeNat: boolean | undefined;
}

export interface InitDependencies {
  /** What the env file and the environment have now. */
  readonly known: Readonly<Record<string, string | undefined>>;
  /** Undefined: nobody can be asked. */
  readonly prompt: Prompt | undefined;
  readonly secretKey: () => Promise<string>;
  /** The account and its cloud by the variables chosen so far. */
  readonly connect: (variables: Variables) => Connected;
  /** Where this host stands. */
  readonly hostPlace: () => Promise<HostPlace | 'unknown' | undefined>;
  /** Whom instances let in, and where. */
  readonly reach: (variables: Variables) => { readonly executorCidr: readonly string[]; readonly sshPort: number };
  readonly makeFoundation: (variables: Variables, args: FoundationArgs) => Promise<FoundationResult>;
  /** Writes the env file; called once before the foundation is made, and at the end. */
  readonly write: (variables: Variables) => void;
  readonly say: (line: string) => void;
}

export interface Connected {
  readonly account: Account;
  readonly cloud: Pick<Cloud, 'vSwitches'>;
  readonly waysOut: (vpcId: string, vSwitches: readonly VSwitch[]) => Promise<ReadonlyMap<string, string>>;
  /** Did a foundation make a NAT gateway there? */
  readonly hasFoundationNat: (vpcId: string) => Promise<boolean>;
}

/** Undefined: the variable is taken out. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** Where regions are listed: any region's endpoint knows them all. */
const ANY_REGION = 'cn-hangzhou';
const FEW_ADDRESSES = 20;
const NAT_BANDWIDTH_MBPS = 100;
const NAT_QUESTION = 'Make a NAT gateway, by which instances reach the internet (some 180 yuan a month, and traffic)';

/**
 * From nothing to an env file with which jobs can run; each answer is checked before the next
 * question.
 * @throws ConfigurationError, CloudRefused, CloudUnreachable, and what makeFoundation throws
 */
export async function init(request: InitRequest, dependencies: InitDependencies): Promise<Variables> {
  const { say, write, connect } = dependencies;
  const region = await chooseRegion(request, dependencies);
  const credentials = await chooseCredentials(request, dependencies);
  const base = { ...credentials, ALICLOUD_REGION: region };
  await checkRegion(connect({ ...base, ALICLOUD_REGION: ANY_REGION }).account, region, say);
  const executor = await chooseExecutor(request, dependencies);
  const account = { ...base, ...executor };
  const network = await chooseNetwork(request, account, dependencies);
  const variables = { ...account, ...network };
  await checkNetwork(variables, dependencies);
  write(variables);
  return variables;
}

async function chooseRegion({ region }: InitRequest, { known, prompt }: InitDependencies): Promise<string> {
  const before = known.ALICLOUD_REGION ?? known.ALIBABA_CLOUD_REGION;
  const chosen = region ?? (prompt ? await prompt.ask('Region', before ?? ANY_REGION) : before);
  if (chosen) return chosen;
  throw new ConfigurationError('init does not know the region', {
    remedy: 'Pass --region, such as --region cn-hangzhou.',
  });
}

async function chooseCredentials(
  { accessKeyId, ramRole }: InitRequest,
  { known, prompt, secretKey }: InitDependencies,
): Promise<Variables> {
  const role = ramRole ?? (accessKeyId === undefined ? known.ALICLOUD_ECS_ROLE_NAME : undefined);
  if (role) return { ALICLOUD_ECS_ROLE_NAME: role, ALICLOUD_ACCESS_KEY: undefined, ALICLOUD_SECRET_KEY: undefined };
  const before = known.ALICLOUD_ACCESS_KEY;
  const id =
    accessKeyId ??
    (prompt ? await prompt.ask("Access key id, or ram-role:NAME for the host's RAM role", before) : before);
  if (!id)
    throw new ConfigurationError('init has no credentials for Alibaba Cloud', {
      remedy: 'Pass --access-key ID (its secret by --secret-key-file), or --ram-role NAME.',
    });
  const named = /^ram-role:(.+)$/.exec(id);
  if (named)
    return { ALICLOUD_ECS_ROLE_NAME: named[1], ALICLOUD_ACCESS_KEY: undefined, ALICLOUD_SECRET_KEY: undefined };
  // The same key again: its secret is known, unless another one is given.
  const secret =
    id === before && accessKeyId === undefined && known.ALICLOUD_SECRET_KEY
      ? known.ALICLOUD_SECRET_KEY
      : await secretKey();
  return { ALICLOUD_ACCESS_KEY: id, ALICLOUD_SECRET_KEY: secret, ALICLOUD_ECS_ROLE_NAME: undefined };
}

async function checkRegion(account: Account, region: string, say: InitDependencies['say']): Promise<void> {
  const regions = await account.regions();
  say('Credentials: good');
  if (!regions.includes(region)) {
    throw new ConfigurationError(`There is no region ${region} for this account`, {
      remedy: `Pass one of: ${regions.join(', ')}.`,
    });
  }
  say(`Region: ${region}`);
}

async function chooseExecutor({ executorCidr }: InitRequest, { known, prompt }: InitDependencies): Promise<Variables> {
  const before = known.GITLAB_SPOT_EXECUTOR_CIDR ?? '';
  const own = "this host's own addresses";
  const chosen =
    executorCidr ??
    (prompt ? await prompt.ask('Who may reach instances by SSH (10.0.0.5/32, …)', before || own) : before);
  return { GITLAB_SPOT_EXECUTOR_CIDR: chosen === own || chosen === '' ? undefined : chosen };
}

async function chooseNetwork(
  request: InitRequest,
  account: Variables,
  dependencies: InitDependencies,
): Promise<Variables> {
  const { known, prompt, say } = dependencies;
  const make =
    request.makeFoundation ??
    (request.vpcId === undefined && prompt && !known.GITLAB_SPOT_VPC_ID
      ? await prompt.confirm('Make a VPC with a vSwitch in every zone, and a bucket for the cache', true)
      : false);
  if (make) return makeFoundation(request, account, dependencies);
  let vpcId = request.vpcId ?? known.GITLAB_SPOT_VPC_ID;
  if (prompt && request.vpcId === undefined) {
    const region = account.ALICLOUD_REGION!;
    for (const vpc of await dependencies.connect(account).account.vpcs(region))
      say(`  ${vpc.vpcId}  ${vpc.cidrBlock}  ${vpc.name}`);
    vpcId = await prompt.ask('VPC', vpcId);
  }
  if (!vpcId)
    throw new ConfigurationError('init does not know the network', {
      remedy: 'Pass --vpc with an existing one, or --foundation to have one made.',
    });
  const vSwitchIds =
    request.vSwitchIds ?? (vpcId === known.GITLAB_SPOT_VPC_ID ? known.GITLAB_SPOT_VSWITCH_IDS : undefined);
  return { GITLAB_SPOT_VPC_ID: vpcId, GITLAB_SPOT_VSWITCH_IDS: vSwitchIds || undefined };
}

async function makeFoundation(
  { foundation, vpcId, makeNat, sharedGroup }: InitRequest,
  account: Variables,
  dependencies: InitDependencies,
): Promise<Variables> {
  const { makeFoundation: make, write, say, prompt, hostPlace, known, connect, reach } = dependencies;
  const isShared = sharedGroup ?? known.GITLAB_SPOT_SECURITY_GROUP_ID !== undefined;
  const network = vpcId === undefined ? {} : await namedNetwork(vpcId, account, dependencies);
  // An existing one would be deleted by a run that does not mention it.
  const vpcNow = vpcId ?? known.GITLAB_SPOT_VPC_ID;
  const hasNat = vpcNow !== undefined && (await connect(account).hasFoundationNat(vpcNow));
  const nat = makeNat ?? (await prompt?.confirm(NAT_QUESTION, hasNat)) ?? hasNat;
  const place = foundation.state && (await hostPlace());
  const isElsewhere = place !== 'unknown' && place?.regionId !== account.ALICLOUD_REGION;
  // What has been typed so far is not lost when the cloud refuses something now.
  write(account);
  say('Foundation: pulumi brings the stack `foundation` up (some minutes where a vSwitch is new)');
  const made = await make(account, {
    ...foundation,
    ...(foundation.state && { state: { ...foundation.state, endpoint: isElsewhere ? 'public' : 'internal' } }),
    region: account.ALICLOUD_REGION!,
    network: { ...network, ...(nat && { nat: { bandwidthMbps: NAT_BANDWIDTH_MBPS } }) },
    securityGroup: isShared ? reach(account) : undefined,
  }).catch((error: unknown) => {
    say('Foundation: what was made is kept in the stack `foundation`; init goes on from there when it is run again');
    throw error;
  });
  say(`Foundation: ${made.vpcId} with a vSwitch in ${Object.keys(made.vSwitchIds).join(', ')}`);
  if (made.natAddress) say(`Foundation: instances reach the internet as ${made.natAddress}`);
  if (made.securityGroupId)
    say(`Foundation: all jobs share the security group ${made.securityGroupId}, in which they don't reach each other`);
  if (made.roleName)
    say(
      `Foundation: give this host the RAM role ${made.roleName}, then run init again with --ram-role ${made.roleName}`,
    );
  if (made.backendUrl)
    say(`Foundation: hosts that share their stacks set PULUMI_BACKEND_URL=${made.backendUrl} (docs/operating.md)`);
  return {
    GITLAB_SPOT_VPC_ID: made.vpcId,
    GITLAB_SPOT_VSWITCH_IDS: Object.values(made.vSwitchIds).join(','),
    GITLAB_SPOT_SECURITY_GROUP_ID: made.securityGroupId,
    ...(made.cacheBucket === undefined ? {} : { GITLAB_SPOT_CACHE_BUCKET: made.cacheBucket }),
  };
}

/** @throws ConfigurationError where the stack would delete the network that jobs have now */
async function namedNetwork(
  vpcId: string,
  variables: Variables,
  { connect, known }: Pick<InitDependencies, 'connect' | 'known'>,
) {
  const { account, cloud } = connect(variables);
  const region = variables.ALICLOUD_REGION!;
  const vpcs = await account.vpcs(region);
  const vpc = findVpc(vpcs, region, vpcId);
  const now = vpcs.find((one) => one.vpcId === known.GITLAB_SPOT_VPC_ID);
  if (now && now !== vpc && isFoundation(now.tags))
    throw new ConfigurationError(`The foundation made ${now.vpcId}, and would delete it for ${vpcId}`, {
      remedy: 'Pass --vpc without --foundation to use that one; docs/operating.md says how a foundation is removed.',
    });
  return existingNetwork(vpc, await cloud.vSwitches(vpcId));
}

function findVpc(vpcs: readonly Vpc[], region: string, vpcId: string): Vpc {
  const found = vpcs.find((one) => one.vpcId === vpcId);
  if (found) return found;
  const there = vpcs.map((one) => one.vpcId).join(', ');
  throw new ConfigurationError(`There is no VPC ${vpcId} in ${region}`, {
    remedy: there === '' ? 'The region has none: pass --foundation to have one made.' : `It has: ${there}.`,
  });
}

async function checkNetwork(variables: Variables, { connect, hostPlace, say }: InitDependencies): Promise<void> {
  const { account, cloud, waysOut } = connect(variables);
  const vpcId = variables.GITLAB_SPOT_VPC_ID!;
  const region = variables.ALICLOUD_REGION!;
  findVpc(await account.vpcs(region), region, vpcId);
  const all = await cloud.vSwitches(vpcId);
  const wanted = variables.GITLAB_SPOT_VSWITCH_IDS?.split(/[\s,]+/).filter((id) => id !== '') ?? [];
  const missing = wanted.filter((id) => !all.some((one) => one.vSwitchId === id));
  if (missing.length > 0) {
    throw new ConfigurationError(`${vpcId} has no vSwitch ${missing.join(', ')}`, {
      remedy: all.length === 0 ? 'It has none at all.' : `It has: ${all.map((one) => one.vSwitchId).join(', ')}.`,
    });
  }
  const used = wanted.length === 0 ? all : all.filter((one) => wanted.includes(one.vSwitchId));
  if (used.length === 0)
    throw new ConfigurationError(`${vpcId} has no vSwitch, so no instance can be in it`, {
      remedy: 'Make one in each zone that sells your instance types, or pass --foundation together with --vpc.',
    });
  say(
    `Network: ${vpcId}, ${counted(used.length, 'vSwitch', 'vSwitches')} in ${[...new Set(used.map((one) => one.zoneId))].join(', ')}`,
  );
  for (const one of used)
    if (one.freeAddresses < FEW_ADDRESSES)
      say(
        `Network: ${one.vSwitchId} in ${one.zoneId} has only ${counted(one.freeAddresses, 'free address', 'free addresses')}: each job takes one`,
      );
  if (new Set(used.map((one) => one.zoneId)).size === 1)
    say('Network: with a vSwitch in one zone only, jobs wait whenever that zone is sold out');
  tellHowReached(await hostPlace(), vpcId, say);
  await tellWayOut(() => waysOut(vpcId, used), used, say);
}
