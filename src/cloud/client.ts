import type * as z from 'zod/mini';
import { CNY } from '../currency';
import type { Settings } from '../settings/types';
import { aboutTypes } from './about-types';
import * as answers from './answers';
import { credentialsProvider } from './credentials';
import { CloudUnreachable, isNotFound } from './errors';
import { findImage } from './find-image';
import type { Disk, HourlyPrice } from './list-prices';
import { furtherTrust } from '../web/certificates';
import { indexed, tagFilter, withoutMilliseconds } from './params';
import { Rpc, type Params, type RpcOptions, type Service } from './rpc';
import type { Cloud, CloudImage, CloudInstance, InstanceSize, InstanceType, Stock } from './types';

const PAGE_SIZE = 50;
/** Far above any host's jobs: a server that never ends its pages must not hold us for ever. */
const MAX_PAGES = 200;
/** Documented for DescribeInstanceTypes: one page holds a whole region. */
const MAX_TYPES_A_PAGE = 1600;
/** A type that is more than this many times too large is never the cheapest. */
const LARGER = 4;
/**
 * A price is told when it changes or at a full hour: what held at a moment was told some time
 * before.
 */
const PRICES_BEFORE_MS = 3 * 3_600_000;

/** The cloud of these settings. Loads and connects nothing before the first call. */
export function createCloud(settings: Pick<Settings, 'cloud' | 'childEnvironment'>, patience?: Patience): Cloud {
  return new EcsCloud(createRpc(settings, patience), settings.cloud.region);
}

/** How long a call is tried; left out: as long as a job can wait. */
export type Patience = Pick<RpcOptions, 'timeoutMs' | 'retryMs'>;

/**
 * A person waits: an API that does not answer is told after seconds, not after as long as a job
 * would try.
 */
export const PERSON_WAITS = { timeoutMs: 10_000, retryMs: 3_000 } as const satisfies Patience;

/** The API itself, for the few calls that jobs do not need (account.ts, images.ts). */
export function createRpc(
  { cloud, childEnvironment }: Pick<Settings, 'cloud' | 'childEnvironment'>,
  patience: Patience = {},
): Rpc {
  const { region, endpoints } = cloud;
  const environment = childEnvironment;
  const credentials = credentialsProvider(cloud, environment);
  return new Rpc({ region, endpoints, credentials, environment, trust: furtherTrust({ environment }), ...patience });
}

export class EcsCloud implements Cloud {
  constructor(
    private readonly rpc: Rpc,
    private readonly region: string,
  ) {}

  findInstances(tags: Readonly<Record<string, string>>): Promise<readonly CloudInstance[]> {
    return this.instances(tagFilter(tags));
  }

  instancesNamed(name: string): Promise<readonly CloudInstance[]> {
    return this.instances({ InstanceName: name });
  }

  private async instances(filter: Params): Promise<readonly CloudInstance[]> {
    const found = await this.pages('DescribeInstances', filter, answers.describeInstances, (page) => page.Instances);
    return found.map(answers.toInstance);
  }

  async describeInstance(instanceId: string): Promise<CloudInstance | undefined> {
    const answer = await this.ask(
      'ecs',
      'DescribeInstances',
      { InstanceIds: JSON.stringify([instanceId]) },
      answers.describeInstances,
    );
    const found = answer.Instances[0];
    if (!found && answer.TotalCount > 0) throw this.shapeless('DescribeInstances');
    return found && answers.toInstance(found);
  }

  async madeAt(instanceId: string): Promise<string | undefined> {
    const answer = await this.systemDisks(instanceId);
    return answer.Disks[0]?.CreationTime || undefined;
  }

  async systemDisk(instanceId: string): Promise<Disk | undefined> {
    const [disk] = (await this.systemDisks(instanceId)).Disks;
    if (!disk || disk.Size <= 0) return undefined;
    const { Category: category, PerformanceLevel: performanceLevel, Size: sizeGiB } = disk;
    return { category, ...(performanceLevel === '' ? {} : { performanceLevel }), sizeGiB };
  }

  private systemDisks(instanceId: string) {
    return this.ask('ecs', 'DescribeDisks', { InstanceId: instanceId, DiskType: 'system' }, answers.describeDisks);
  }

  async tagInstance(instanceId: string, tags: Readonly<Record<string, string>>): Promise<void> {
    const resource = { ResourceType: 'instance', 'ResourceId.1': instanceId };
    await this.rpc.call('ecs', 'TagResources', { ...resource, ...tagFilter(tags) });
  }

  async setReleaseTime(instanceId: string, releaseAt: string): Promise<void> {
    await this.rpc.call('ecs', 'ModifyInstanceAutoReleaseTime', { InstanceId: instanceId, AutoReleaseTime: releaseAt });
  }

  async deleteInstance(instanceId: string): Promise<void> {
    await this.remove('DeleteInstance', { InstanceId: instanceId, Force: true });
  }

  async findSecurityGroups(tags: Readonly<Record<string, string>>) {
    const found = await this.pages(
      'DescribeSecurityGroups',
      tagFilter(tags),
      answers.describeSecurityGroups,
      (page) => page.SecurityGroups,
    );
    return found.map((one) => ({ id: one.SecurityGroupId, tags: one.Tags, createdAt: one.CreationTime }));
  }

  async deleteSecurityGroup(id: string): Promise<void> {
    await this.remove('DeleteSecurityGroup', { SecurityGroupId: id });
  }

  async findKeyPairs(tags: Readonly<Record<string, string>>) {
    const found = await this.pages(
      'DescribeKeyPairs',
      tagFilter(tags),
      answers.describeKeyPairs,
      (page) => page.KeyPairs,
    );
    return found.map((one) => ({ name: one.KeyPairName, tags: one.Tags, createdAt: one.CreationTime }));
  }

  async deleteKeyPair(name: string): Promise<void> {
    await this.remove('DeleteKeyPairs', { KeyPairNames: JSON.stringify([name]) });
  }

  async vSwitches(vpcId: string) {
    const found = await this.pages(
      'DescribeVSwitches',
      { VpcId: vpcId },
      answers.describeVSwitches,
      (page) => page.VSwitches,
      'vpc',
    );
    return found.filter((one) => one.Status !== 'Pending').map(answers.toVSwitch);
  }

  async stock(instanceType: string, market: 'spot' | 'on-demand', diskCategory: string): Promise<readonly Stock[]> {
    const answer = await this.ask(
      'ecs',
      'DescribeAvailableResource',
      {
        DestinationResource: 'InstanceType',
        IoOptimized: 'optimized',
        InstanceChargeType: 'PostPaid',
        SpotStrategy: market === 'spot' ? 'SpotAsPriceGo' : 'NoSpot',
        InstanceType: instanceType,
        SystemDiskCategory: diskCategory,
      },
      answers.describeAvailableResource,
    );
    return answer.AvailableZones.flatMap((zone) =>
      zone.AvailableResources.flatMap((resource) => resource.SupportedResources)
        .filter((one) => one.Value === instanceType)
        .map((one) => ({ zoneId: zone.ZoneId, instanceType, status: stockStatus(one.StatusCategory, one.Status) })),
    );
  }

  async spotPrices(instanceType: string, durationHours: 0 | 1) {
    const { prices, currency } = await this.priceHistory({ InstanceType: instanceType, SpotDuration: durationHours });
    const newest = new Map<string, (typeof prices)[number]>();
    for (const price of prices) {
      // Nothing is sold for nothing: it was not told.
      if (price.SpotPrice <= 0) continue;
      if ((newest.get(price.ZoneId)?.Timestamp ?? '') <= price.Timestamp) newest.set(price.ZoneId, price);
    }
    return [...newest.values()].map((price) => ({
      zoneId: price.ZoneId,
      spotYuanPerHour: price.SpotPrice,
      onDemandYuanPerHour: price.OriginPrice,
      currency,
      at: price.Timestamp,
    }));
  }

  async spotPriceHistory(
    { instanceType, zoneId }: { readonly instanceType: string; readonly zoneId: string },
    durationHours: 0 | 1,
    { from, to }: { readonly from: Date; readonly to: Date },
  ) {
    const { prices } = await this.priceHistory({
      InstanceType: instanceType,
      ZoneId: zoneId,
      SpotDuration: durationHours,
      StartTime: withoutMilliseconds(new Date(from.getTime() - PRICES_BEFORE_MS)),
      EndTime: withoutMilliseconds(to),
    });
    // As above: a price that was not told would make the time until the next one free.
    const told = prices.filter((price) => price.ZoneId === zoneId && price.Timestamp !== '' && price.SpotPrice > 0);
    return told
      .map((price) => ({ at: price.Timestamp, yuanPerHour: price.SpotPrice }))
      .sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  }

  private async priceHistory(filter: Params) {
    const found: z.output<typeof answers.describeSpotPriceHistory>['SpotPrices'][number][] = [];
    let currency = CNY;
    let offset = 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      const { SpotPrices, NextOffset, Currency } = await this.ask(
        'ecs',
        'DescribeSpotPriceHistory',
        { NetworkType: 'vpc', OSType: 'linux', ...filter, Offset: offset || undefined },
        answers.describeSpotPriceHistory,
      );
      found.push(...SpotPrices);
      currency = Currency;
      if (SpotPrices.length === 0 || NextOffset <= offset) break;
      offset = NextOffset;
    }
    return { prices: found, currency };
  }

  async spotAdvice(instanceTypes: readonly string[]) {
    return aboutTypes(instanceTypes, (batch) => this.adviceOn(batch));
  }

  private async adviceOn(instanceTypes: readonly string[]) {
    const answer = await this.ask(
      'ecs',
      'DescribeSpotAdvice',
      indexed('InstanceTypes', instanceTypes),
      answers.describeSpotAdvice,
    );
    return answer.AvailableSpotZones.flatMap((zone) =>
      zone.AvailableSpotResources.map((one) => ({
        zoneId: zone.ZoneId,
        instanceType: one.InstanceType,
        interruptionRate: one.InterruptionRate,
        averageShare: one.AverageSpotDiscount,
      })),
    );
  }

  async diskPrice({ category, performanceLevel, sizeGiB }: Disk): Promise<HourlyPrice> {
    const { PriceInfo } = await this.ask(
      'ecs',
      'DescribePrice',
      {
        // By itself: a question about an instance with its disk wants a type and an image that go
        // with it.
        ResourceType: 'disk',
        PriceUnit: 'Hour',
        Period: 1,
        Amount: 1,
        'DataDisk.1.Category': category,
        'DataDisk.1.PerformanceLevel': performanceLevel,
        'DataDisk.1.Size': sizeGiB,
      },
      answers.describePrice,
    );
    return { yuanPerHour: PriceInfo.Price.TradePrice, currency: PriceInfo.Price.Currency };
  }

  async instanceTypes({ vcpu, memoryGiB, architecture, gpus }: InstanceSize): Promise<readonly InstanceType[]> {
    const found: InstanceType[] = [];
    let token = '';
    for (let page = 0; page < MAX_PAGES; page++) {
      const { InstanceTypes, NextToken } = await this.ask(
        'ecs',
        'DescribeInstanceTypes',
        {
          CpuArchitecture: architecture === 'arm64' ? 'ARM' : 'X86',
          MinimumCpuCoreCount: vcpu,
          MaximumCpuCoreCount: vcpu * LARGER,
          MinimumMemorySize: memoryGiB,
          MaximumMemorySize: memoryGiB * LARGER,
          MinimumGPUAmount: gpus || undefined,
          MaxResults: MAX_TYPES_A_PAGE,
          NextToken: token || undefined,
        },
        answers.describeInstanceTypes,
      );
      found.push(...InstanceTypes.map((one) => answers.toInstanceType(one, architecture)));
      token = NextToken;
      if (token === '') break;
    }
    return found;
  }

  resolveImage(nameOrId: string, architecture?: InstanceSize['architecture']): Promise<CloudImage | undefined> {
    return findImage(nameOrId, (filter) => this.images(filter), architecture);
  }

  private images(filter: Params) {
    const available = { ...filter, Status: 'Available' };
    // Names that only contain the one that was asked for may fill more than a page.
    return this.pages('DescribeImages', available, answers.describeImages, ({ Images }) => Images);
  }

  private async ask<S extends z.ZodMiniType>(
    service: Service,
    action: string,
    params: Params,
    schema: S,
  ): Promise<z.output<S>> {
    const answer = await this.rpc.call(service, action, params);
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    throw this.shapeless(action, parsed.error);
  }

  private shapeless(action: string, cause?: unknown): CloudUnreachable {
    return new CloudUnreachable(action, `region ${this.region}`, cause, 'the answer has not the documented shape');
  }

  private async pages<S extends z.ZodMiniType<{ readonly TotalCount: number }>, T>(
    action: string,
    params: Params,
    schema: S,
    items: (page: z.output<S>) => readonly T[],
    service: Service = 'ecs',
  ): Promise<T[]> {
    const found: T[] = [];
    for (let page = 1; page <= MAX_PAGES; page++) {
      const answer = await this.ask(service, action, { ...params, PageNumber: page, PageSize: PAGE_SIZE }, schema);
      const these = items(answer);
      if (page === 1 && these.length === 0 && answer.TotalCount > 0) throw this.shapeless(action);
      found.push(...these);
      if (these.length === 0 || found.length >= answer.TotalCount) break;
    }
    return found;
  }

  private async remove(action: string, params: Params): Promise<void> {
    try {
      await this.rpc.call('ecs', action, params);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

function stockStatus(category: string, status: string): Stock['status'] {
  if (category === 'WithStock' || category === 'ClosedWithStock' || category === 'WithoutStock') return category;
  // What is listed without a word is for sale.
  return status === 'Available' || status === '' ? 'WithStock' : 'WithoutStock';
}
