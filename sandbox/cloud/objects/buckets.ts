/** Operations on buckets and their settings. */
import { text as readText } from 'node:stream/consumers';
import { iso, type StoreAnswer, type StoreCall } from './answer';
import { StoreError } from './errors';
import type { Bucket } from './store';
import { textsOf, type Xml } from './xml';

/**
 * Settings that are kept as they were put, and what the store says where there is none: an error
 * code, or an empty element.
 */
const SETTINGS: Readonly<Record<string, { readonly absent: string } | { readonly empty: string }>> = {
  lifecycle: { absent: 'NoSuchLifecycle' },
  cors: { absent: 'NoSuchCORSConfiguration' },
  website: { absent: 'NoSuchWebsiteConfiguration' },
  policy: { absent: 'NoSuchBucketPolicy' },
  encryption: { absent: 'NoSuchServerSideEncryptionRule' },
  transferAcceleration: { absent: 'NoSuchTransferAccelerationConfiguration' },
  publicAccessBlock: { empty: '<PublicAccessBlockConfiguration></PublicAccessBlockConfiguration>' },
  tagging: { empty: '<Tagging><TagSet></TagSet></Tagging>' },
  logging: { empty: '<BucketLoggingStatus></BucketLoggingStatus>' },
  versioning: { empty: '<VersioningConfiguration></VersioningConfiguration>' },
  accessmonitor: { empty: '<AccessMonitorConfiguration><Status>Disabled</Status></AccessMonitorConfiguration>' },
  resourceGroup: {
    empty: '<BucketResourceGroupConfiguration><ResourceGroupId></ResourceGroupId></BucketResourceGroupConfiguration>',
  },
  referer: {
    empty:
      '<RefererConfiguration><AllowEmptyReferer>true</AllowEmptyReferer><RefererList></RefererList></RefererConfiguration>',
  },
};

export function bucketOf({ store, bucket }: StoreCall): Bucket {
  const found = store.buckets.get(bucket);
  if (!found) throw new StoreError(404, 'NoSuchBucket', 'The specified bucket does not exist.');
  return found;
}

export function listBuckets({ store, query, region, accountId }: StoreCall): StoreAnswer {
  const prefix = query.get('prefix') ?? '';
  const found = [...store.buckets.values()].filter((bucket) => bucket.name.startsWith(prefix));
  const described = found.map((bucket) => ({
    Name: bucket.name,
    CreationDate: iso(bucket.createdAt),
    Location: `oss-${region}`,
    Region: region,
    StorageClass: bucket.storageClass,
    ExtranetEndpoint: `oss-${region}.aliyuncs.com`,
    IntranetEndpoint: `oss-${region}-internal.aliyuncs.com`,
  }));
  return {
    xml: {
      ListAllMyBucketsResult: {
        Owner: { ID: accountId, DisplayName: accountId },
        IsTruncated: false,
        Buckets: { Bucket: described },
      },
    },
  };
}

export function createBucket(call: StoreCall): StoreAnswer {
  const { store, bucket, request, now } = call;
  if (!/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new StoreError(400, 'InvalidBucketName', 'The specified bucket is not valid.');
  }
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const algorithm = header('x-oss-server-side-encryption');
  const earlier = store.buckets.get(bucket);
  store.saveBucket({
    name: bucket,
    createdAt: earlier?.createdAt ?? now,
    acl: header('x-oss-acl') ?? earlier?.acl ?? 'private',
    storageClass: earlier?.storageClass ?? 'Standard',
    redundancy: header('x-oss-redundancy-type') ?? earlier?.redundancy ?? 'LRS',
    settings: {
      ...earlier?.settings,
      ...(algorithm === undefined ? {} : { encryption: encryption(algorithm) }),
    },
  });
  return { headers: { Location: `/${bucket}` } };
}

function encryption(algorithm: string): string {
  const rule = `<ApplyServerSideEncryptionByDefault><SSEAlgorithm>${algorithm}</SSEAlgorithm></ApplyServerSideEncryptionByDefault>`;
  return `<ServerSideEncryptionRule>${rule}</ServerSideEncryptionRule>`;
}

export function deleteBucket(call: StoreCall): StoreAnswer {
  const bucket = bucketOf(call);
  if (call.store.list(bucket.name).length > 0) {
    throw new StoreError(409, 'BucketNotEmpty', 'The bucket you tried to delete is not empty.');
  }
  call.store.deleteBucket(bucket.name);
  return { status: 204 };
}

export function bucketInfo(call: StoreCall): StoreAnswer {
  const bucket = bucketOf(call);
  const { region, accountId } = call;
  const versioning = textsOf(bucket.settings.versioning ?? '', 'Status')[0];
  const info: { [name: string]: Xml | undefined } = {
    Name: bucket.name,
    CreationDate: iso(bucket.createdAt),
    Location: `oss-${region}`,
    ExtranetEndpoint: `oss-${region}.aliyuncs.com`,
    IntranetEndpoint: `oss-${region}-internal.aliyuncs.com`,
    StorageClass: bucket.storageClass,
    DataRedundancyType: bucket.redundancy,
    AccessControlList: { Grant: bucket.acl },
    Owner: { ID: accountId, DisplayName: accountId },
    ResourceGroupId: '',
    Versioning: versioning,
    AccessMonitor: 'Disabled',
    CrossRegionReplication: 'Disabled',
    TransferAcceleration: 'Disabled',
    BlockPublicAccess: false,
    ServerSideEncryptionRule: {
      SSEAlgorithm: textsOf(bucket.settings.encryption ?? '', 'SSEAlgorithm')[0] ?? 'None',
    },
  };
  return { xml: { BucketInfo: { Bucket: info as { [name: string]: Xml } } } };
}

/** The setting that a request is about, or undefined. */
export function settingOf({ query }: StoreCall): string | undefined {
  return Object.keys(SETTINGS).find((name) => query.has(name));
}

export function getSetting(call: StoreCall, name: string): StoreAnswer {
  const put = bucketOf(call).settings[name];
  const rule = SETTINGS[name];
  if (put !== undefined) return { text: put };
  if (rule && 'empty' in rule) return { text: `<?xml version="1.0" encoding="UTF-8"?>\n${rule.empty}` };
  throw new StoreError(404, rule?.absent ?? 'NoSuchConfiguration', 'The bucket has no such configuration.');
}

export async function putSetting(call: StoreCall, name: string): Promise<StoreAnswer> {
  const body = await readText(call.request);
  const bucket = bucketOf(call);
  call.store.saveBucket({ ...bucket, settings: { ...bucket.settings, [name]: body } });
  return {};
}

export function deleteSetting(call: StoreCall, name: string): StoreAnswer {
  const bucket = bucketOf(call);
  const settings = Object.fromEntries(Object.entries(bucket.settings).filter(([other]) => other !== name));
  call.store.saveBucket({ ...bucket, settings });
  return { status: 204 };
}

export function getAcl(call: StoreCall): StoreAnswer {
  const owner = { ID: call.accountId, DisplayName: call.accountId };
  return { xml: { AccessControlPolicy: { Owner: owner, AccessControlList: { Grant: bucketOf(call).acl } } } };
}

export function putAcl(call: StoreCall): StoreAnswer {
  const bucket = bucketOf(call);
  const acl = call.request.headers['x-oss-acl'] ?? call.request.headers['x-amz-acl'];
  call.store.saveBucket({ ...bucket, acl: typeof acl === 'string' ? acl : bucket.acl });
  return {};
}

export function headBucket(call: StoreCall): StoreAnswer {
  bucketOf(call);
  return {};
}
