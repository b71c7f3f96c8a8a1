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
    // The rest of what RunInstances documents of a type, a disk or a zone.
    ['InvalidInstanceType.ValueNotSupported', 'pool'],
    ['InvalidInstanceType.ValueUnauthorized', 'pool'],
    ['InvalidInstanceType.NotSupportDiskCategory', 'pool'],
    ['InvalidPerformanceLevel.ValueNotSupported', 'pool'],
    ['CategoryNotSupported', 'pool'],
    ['OperationDenied.CloudSSDNotSupported', 'pool'],
    ['ImageNotSupportInstanceType', 'pool'],
    ['OperationDenied', 'pool'],
    ['OperationDenied.FlavorNotSupported', 'pool'],
    ['OperationDenied.PaygNotAvailable', 'pool'],
    ['NodeControllerUnavailable', 'pool'],
    ['QuotaExceed.DiskCapacity', 'zone'],
    ['IncorrectVSwitchStatus', 'zone'],
    ['QuotaExceed.AfterpayInstance', 'stop'],
    ['OperationDenied.ResourceControl', 'stop'],
    ['OperationDenied.ImageNotValid', 'stop'],
  ])('%s speaks of the %s', (code, scope) => {
    expect(refusalOf(code).scope).toBe(scope);
    expect(anotherPoolMayDo(code)).toBe(scope !== 'stop');
  });

  test.each(['Forbidden.RAM', 'Forbbiden.SubUser', 'Forbedden.NotSupportRAM'])(
    '%s is a missing permission, however it is spelt',
    (code) => expect(refusalOf(code).remedy).toContain('ram-policy'),
  );

  test.each([
    ['Account.Arrearage', 'Top the account up'],
    ['InsufficientBalance', 'Top the account up'],
    ['InvalidAccount.NotSupportSpot', 'enable spot instances'],
    ['InvalidSpotAliUid', 'enable spot instances'],
    ['Forbidden.RiskControl', 'status in the console'],
    ['RealNameAuthenticationError', 'status in the console'],
    ['PaymentMethodNotFound', 'status in the console'],
    ['InvalidSystemDiskSize.LessThanImageSize', 'disk.sizeGiB'],
    ['InvalidVSwitchId.NotExist', 'GITLAB_SPOT_VSWITCH_IDS'],
    ['OperationDenied.ResourceControl', 'again later'],
    ['InternalError', 'again later'],
    ['ServiceUnavailable', 'again later'],
  ])('%s stops, and the remedy says: %s', (code, remedy) => {
    expect(refusalOf(code).scope).toBe('stop');
    expect(refusalOf(code).remedy).toContain(remedy);
  });
});
