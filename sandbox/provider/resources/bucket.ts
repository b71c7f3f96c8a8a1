/**
 * alicloud.oss.Bucket, with the settings that stacks/ uses: lifecycle, tags, versioning,
 * encryption.
 */
import { callOss, element, OssError, type OssRequest } from '../api/oss';
import { located } from '../api/errors';
import { equal, isProperties, stringMap, text, type Properties, type Value } from '../values';
import { existing, type Context, type ResourceType, type State } from './resource';

const FILE = 'resource_alicloud_oss_bucket.go';
const XML = '<?xml version="1.0" encoding="UTF-8"?>';

export const bucket: ResourceType = {
  token: 'alicloud:oss/bucket:Bucket',
  required: [],
  defaults: { redundancyType: 'LRS', storageClass: 'Standard' },
  computed: [
    ...['accessMonitor', 'acl', 'bucket', 'creationDate', 'extranetEndpoint', 'intranetEndpoint', 'location', 'owner'],
    'resourceGroupId',
  ],
  replaceOn: ['bucket', 'redundancyType', 'storageClass'],
  same: (name) => name === 'forceDestroy',

  async create(context, inputs, created) {
    const name = text(inputs['bucket']);
    if ((await info(context, name)) !== undefined) {
      throw located(
        `${FILE}:519`,
        '',
        `[ERROR] The specified bucket name: "${name}" is not available. The bucket namespace is shared by all users of the OSS system. Please select a different name and try again.`,
      );
    }
    const algorithm = encryption(inputs);
    const headers: Record<string, string> = algorithm === '' ? {} : { 'x-oss-server-side-encryption': algorithm };
    await call(context, 'CreateBucket', { method: 'PUT', bucket: name, headers });
    created(name);
    await putSettings(context, name, {}, inputs);
    return existing(await read(context, name, inputs), name);
  },

  read,

  async update(context, id, before, inputs) {
    await putSettings(context, id, before, inputs);
    return existing(await read(context, id, inputs), id);
  },

  async delete(context, id) {
    if ((await info(context, id)) === undefined) return;
    await call(context, 'DeleteBucket', { method: 'DELETE', bucket: id });
  },
};

async function putSettings(context: Context, name: string, before: Properties, inputs: Properties): Promise<void> {
  const put = (action: string, subresource: string, body: string) =>
    call(context, action, { method: 'PUT', bucket: name, subresource, body: `${XML}${body}` });
  const changed = (property: string) => !equal(before[property] ?? null, inputs[property] ?? null);
  if (changed('lifecycleRules')) await put('SetBucketLifecycle', 'lifecycle', lifecycleXml(inputs['lifecycleRules']));
  if (changed('tags')) await put('SetBucketTagging', 'tagging', taggingXml(stringMap(inputs['tags'])));
  const status = versioning(inputs);
  if (status !== versioning(before)) {
    await put(
      'SetBucketVersioning',
      'versioning',
      `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`,
    );
  }
}

async function read(context: Context, id: string, before: Properties): Promise<State | undefined> {
  const found = await info(context, id);
  if (found === undefined) return undefined;
  const lifecycle = await call(context, 'GetBucketLifecycle', {
    method: 'GET',
    bucket: id,
    subresource: 'lifecycle',
  }).catch(unless('NoSuchLifecycle'));
  const tagging = await call(context, 'GetBucketTagging', { method: 'GET', bucket: id, subresource: 'tagging' });
  const said = (name: string) => element(found, name) ?? '';
  const algorithm = said('SSEAlgorithm');
  const status = said('Versioning');
  return {
    id,
    accessMonitor: { status: said('AccessMonitor') || 'Disabled' },
    acl: said('Grant'),
    bucket: id,
    corsRules: [],
    creationDate: said('CreationDate').slice(0, 10),
    extranetEndpoint: said('ExtranetEndpoint'),
    forceDestroy: before['forceDestroy'] === true,
    intranetEndpoint: said('IntranetEndpoint'),
    lifecycleRuleAllowSameActionOverlap: false,
    lifecycleRules:
      lifecycle === `${XML}${lifecycleXml(before['lifecycleRules'])}` ? (before['lifecycleRules'] ?? []) : [],
    location: said('Location'),
    logging: null,
    owner: said('ID'),
    policy: '',
    redundancyType: said('DataRedundancyType'),
    resourceGroupId: '',
    ...(algorithm === '' || algorithm === 'None'
      ? {}
      : { serverSideEncryptionRule: { kmsDataEncryption: '', kmsMasterKeyId: '', sseAlgorithm: algorithm } }),
    storageClass: said('StorageClass'),
    tags: Object.fromEntries(
      [...tagging.matchAll(/<Key>([^<]*)<\/Key><Value>([^<]*)<\/Value>/g)].map((m) => [m[1], m[2]]),
    ),
    transferAcceleration: null,
    ...(status === '' ? {} : { versioning: { status } }),
    website: null,
  } as State;
}

async function info(context: Context, name: string): Promise<string | undefined> {
  const request = { method: 'GET', bucket: name, subresource: 'bucketInfo' } as const;
  return call(context, 'GetBucketInfo', request).catch(unless('NoSuchBucket'));
}

async function call(context: Context, action: string, request: OssRequest): Promise<string> {
  return callOss(context.settings, request).catch((error: unknown) => {
    throw located(`${FILE}:567`, `Resource ${request.bucket} ${action} Failed!!! [SDK aliyun-oss-go-sdk ERROR]`, error);
  });
}

function unless(code: string) {
  return (error: unknown): undefined => {
    if (error instanceof Error && error.cause instanceof OssError && error.cause.code === code) return undefined;
    throw error;
  };
}

function lifecycleXml(rules: Value | undefined): string {
  const list = Array.isArray(rules) ? (rules as readonly Value[]).filter(isProperties) : [];
  return `<LifecycleConfiguration>${list.map(ruleXml).join('')}</LifecycleConfiguration>`;
}

function ruleXml(rule: Properties): string {
  const days = (name: string, tag: string, inner: string) =>
    ((rule[name] ?? []) as readonly Properties[]).map((one) => `<${tag}>${term(one, inner)}</${tag}>`).join('');
  return [
    `<Rule><ID>${text(rule['id'])}</ID><Prefix>${text(rule['prefix'])}</Prefix>`,
    `<Status>${rule['enabled'] === true ? 'Enabled' : 'Disabled'}</Status>`,
    days('expirations', 'Expiration', 'Days'),
    days('abortMultipartUploads', 'AbortMultipartUpload', 'Days'),
    days('noncurrentVersionExpirations', 'NoncurrentVersionExpiration', 'NoncurrentDays'),
    '</Rule>',
  ].join('');
}

/** Days, or (for expirations alone) the delete markers that nothing is behind any more. */
function term(one: Properties, inner: string): string {
  if (one['expiredObjectDeleteMarker'] === true) return '<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>';
  return `<${inner}>${text(one['days'])}</${inner}>`;
}

function taggingXml(tags: Readonly<Record<string, string>>): string {
  const items = Object.entries(tags).map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`);
  return `<Tagging><TagSet>${items.join('')}</TagSet></Tagging>`;
}

function versioning(properties: Properties): string {
  const value = properties['versioning'];
  return isProperties(value) ? text(value['status']) : '';
}

function encryption(properties: Properties): string {
  const value = properties['serverSideEncryptionRule'];
  return isProperties(value) ? text(value['sseAlgorithm']) : '';
}
