/** Data sources that stacks/ asks. */
import type { Answer } from './api/client';
import { callApi } from './resources/calls';
import type { Context } from './resources/resource';
import { text, type Properties } from './values';

type DataSource = (context: Context, args: Properties) => Promise<Properties>;

const READ_MS = 5 * 60_000;

/** Zones that sell instances; with `enableDetails` also what they sell. */
const getZones: DataSource = async (context, args) => {
  const common = {
    InstanceChargeType: args['instanceChargeType'] ?? 'PostPaid',
    SpotStrategy: args['spotStrategy'] ?? '',
  };
  const params = { InstanceChargeType: text(common.InstanceChargeType), SpotStrategy: text(common.SpotStrategy) };
  const call = (action: string, more: Readonly<Record<string, string>>) =>
    callApi(context, {
      action,
      params: { ...params, ...more },
      options: { library: 'query' },
      timeoutMs: READ_MS,
      resource: 'alicloud_zones',
      where: 'data_source_alicloud_zones.go:398',
    });
  const type = text(args['availableInstanceType']);
  const resources = await call('DescribeAvailableResource', { DestinationResource: 'Zone', IoOptimized: 'optimized' });
  const answer = await call('DescribeZones', {});
  const valid = new Set<string>(
    (resources.AvailableZones?.AvailableZone ?? [])
      .filter(({ Status }: Answer) => Status === 'Available')
      .map(({ ZoneId }: Answer) => text(ZoneId)),
  );
  const zones = ((answer.Zones?.Zone ?? []) as readonly Answer[])
    .filter(({ ZoneId }) => valid.has(text(ZoneId)))
    .filter(({ AvailableInstanceTypes }) => type === '' || AvailableInstanceTypes?.InstanceTypes?.includes(type))
    .sort((a, b) => (text(a.ZoneId) < text(b.ZoneId) ? -1 : 1));
  const details = (zone: Answer): Properties =>
    args['enableDetails'] === true
      ? {
          localName: text(zone.LocalName),
          availableInstanceTypes: zone.AvailableInstanceTypes?.InstanceTypes ?? [],
          availableResourceCreations: zone.AvailableResourceCreation?.ResourceTypes ?? [],
          availableDiskCategories: zone.AvailableDiskCategories?.DiskCategories ?? [],
        }
      : { localName: '', availableInstanceTypes: [], availableResourceCreations: [], availableDiskCategories: [] };
  const ids = zones.map(({ ZoneId }) => text(ZoneId));
  return {
    ...args,
    id: ids.join('-'),
    ids,
    zones: zones.map((zone) => ({ id: text(zone.ZoneId), multiZoneIds: [], slbSlaveZoneIds: [], ...details(zone) })),
  };
};

/** The account that the credentials belong to. */
const getAccount: DataSource = async (context) => {
  const answer = await callApi(context, {
    action: 'GetCallerIdentity',
    params: {},
    options: { product: 'sts' },
    timeoutMs: READ_MS,
    resource: 'alicloud_account',
    where: 'data_source_alicloud_account.go:33',
  });
  return { id: text(answer.AccountId) };
};

const byToken: Readonly<Record<string, DataSource>> = {
  'alicloud:index/getZones:getZones': getZones,
  'alicloud:index/getAccount:getAccount': getAccount,
};

/** @throws Error that says which functions there are */
export function dataSource(token: string): DataSource {
  const found = byToken[token];
  if (found === undefined) {
    const known = Object.keys(byToken).join(', ');
    throw new Error(`function ${token} is not among those that this stand-in of the alicloud provider knows: ${known}`);
  }
  return found;
}
