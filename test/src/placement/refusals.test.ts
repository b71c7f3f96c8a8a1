import { anotherPoolMayDo, refusalOf } from '../../../src/placement/refusals';

describe('a refusal of RunInstances', () => {
  test.each([
    ['OperationDenied.NoStock', 'pool'],
    ['InvalidInstanceType.NotSupported', 'pool'],
    ['InvalidDiskCategory.NotSupported', 'pool'],
    ['InvalidSystemDiskCategory.ValueNotSupported', 'pool'],
    ['InvalidInstanceType.ZoneNotSupportedInstanceType', 'pool'],
    ['OperationDenied.ZoneSystemCategoryNotMatch', 'pool'],
    ['ResourceNotAvailable', 'pool'],
    ['QuotaExceed.ElasticQuota', 'pool'],
    ['QuotaExceed.ElasticQuotaForSpot', 'pool'],
    ['Zone.NotOnSale', 'zone'],
    ['InvalidVpcZone.NotSupported', 'zone'],
    ['OperationDenied.ZoneNotAllowed', 'zone'],
    ['QuotaExceeded.PrivateIpAddress', 'zone'],
    ['InvalidVSwitchId.IpNotEnough', 'zone'],
    ['InvalidSpotPriceLimit.LowerThanPublicPrice', 'price'],
    ['InvalidAccountStatus.NotEnoughBalance', 'stop'],
    ['InvalidSpotAuthorized', 'stop'],
    ['QuotaExceed.SecurityGroup', 'stop'],
    ['Forbbiden.SubUser', 'stop'],
    ['Forbedden.NotSupportRAM', 'stop'],
    ['SomethingNew', 'stop'],
  ])('%s speaks of the %s', (code, scope) => {
    expect(refusalOf(code).scope).toBe(scope);
    expect(anotherPoolMayDo(code)).toBe(scope !== 'stop');
  });

  test.each(['Forbidden.RAM', 'Forbbiden.SubUser', 'Forbedden.NotSupportRAM'])(
    '%s is a missing permission, however it is spelt',
    (code) => expect(refusalOf(code).remedy).toContain('ram-policy'),
  );
});
