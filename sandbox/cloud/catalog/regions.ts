/** Regions that exist. Only the simulated one has anything in it. */
export const REGION_IDS: readonly string[] = [
  'cn-hangzhou',
  'cn-shanghai',
  'cn-beijing',
  'cn-shenzhen',
  'cn-zhangjiakou',
  'cn-hongkong',
  'ap-southeast-1',
  'eu-central-1',
  'us-east-1',
];
