/** alicloud.ecs.KeyPair */
import type { Answer } from '../api/client';
import { text, type Properties } from '../values';
import { callApi, callUnless } from './calls';
import { existing, minutes, type Context, type ResourceType, type State } from './resource';
import { changeTags, createTagParams, readTags } from './tags';

const FILE = 'resource_alicloud_ecs_key_pair.go';

export const keyPair: ResourceType = {
  token: 'alicloud:ecs/keyPair:KeyPair',
  required: [],
  defaults: {},
  computed: ['createTime', 'fingerPrint', 'keyName', 'keyPairName', 'resourceGroupId'],
  replaceOn: ['keyPairName', 'keyName', 'keyNamePrefix', 'keyFile'],
  timeouts: minutes(5, 5, 20),

  check({ keyPairName }): Record<string, string> {
    const length = text(keyPairName).length;
    return typeof keyPairName === 'string' && (length < 2 || length > 128)
      ? { keyPairName: 'expected length of key_pair_name to be in the range (2 - 128)' }
      : {};
  },

  same: (name, before, after) => name === 'publicKey' && text(before).trim() === text(after).trim(),

  async create(context, inputs, created) {
    const answer = await callApi(context, {
      action: inputs['publicKey'] === undefined ? 'CreateKeyPair' : 'ImportKeyPair',
      params: {
        KeyPairName: text(inputs['keyPairName'] ?? inputs['keyName']),
        PublicKeyBody: inputs['publicKey'] === undefined ? undefined : text(inputs['publicKey']),
        ResourceGroupId: inputs['resourceGroupId'] === undefined ? undefined : text(inputs['resourceGroupId']),
        ...createTagParams(inputs),
      },
      timeoutMs: context.timeouts.create,
      resource: 'alicloud_ecs_key_pair',
      where: `${FILE}:139`,
    });
    const id = text(answer.KeyPairName);
    created(id);
    return existing(await read(context, id, inputs), id);
  },

  read,

  async update(context, id, before, inputs) {
    await changeTags(context, 'keypair', id, before['tags'], inputs['tags']);
    return existing(await read(context, id, inputs), id);
  },

  async delete(context, id) {
    await callUnless(context, ['InvalidKeyPair.NotFound', 'InvalidKeyPairName.NotFound'], {
      action: 'DeleteKeyPairs',
      params: { KeyPairNames: JSON.stringify([id]) },
      timeoutMs: context.timeouts.delete,
      retryCodes: ['InvalidParameter.KeypairAlreadyAttachedInstance'],
      resource: id,
      where: `${FILE}:275`,
    });
  },
};

async function read(context: Context, id: string, before: Properties): Promise<State | undefined> {
  const answer = await callApi(context, {
    action: 'DescribeKeyPairs',
    params: { KeyPairName: id },
    timeoutMs: 60_000,
    resource: id,
    where: 'service_alicloud_ecs_v2.go:395',
  });
  const pair: Answer = answer.KeyPairs?.KeyPair?.[0];
  if (pair === undefined) return undefined;
  return {
    id,
    createTime: text(pair.CreationTime),
    fingerPrint: text(pair.KeyPairFingerPrint),
    keyName: text(pair.KeyPairName),
    keyPairName: text(pair.KeyPairName),
    ...(before['publicKey'] === undefined ? {} : { publicKey: text(before['publicKey']).trim() }),
    resourceGroupId: text(pair.ResourceGroupId),
    tags: readTags(pair.Tags),
  };
}
