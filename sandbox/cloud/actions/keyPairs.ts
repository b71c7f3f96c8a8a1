import { createHash, generateKeyPairSync } from 'node:crypto';
import { z } from 'zod';
import { utcMinutes } from '../model/clock';
import type { KeyPair } from '../model/records';
import { ApiError } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { hasTags, jsonList, matchesPattern, newTags, page, paging, tagFilter, tagSet, text } from './fields';

const newKeyPair = {
  KeyPairName: text,
  ResourceGroupId: text.default(''),
  Tag: newTags,
};

const NAME = /^(?!https?:\/\/)\p{L}[\p{L}\d_:.-]{1,127}$/u;
/** The kinds that the documentation of ImportKeyPair lists: rsa, dsa, ssh-rsa, ssh-dss, ecdsa. */
const PUBLIC_KEY = /^(rsa|dsa|ssh-rsa|ssh-dss|ecdsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+=*( .*)?$/;

function addKeyPair(context: Context, asked: z.output<z.ZodObject<typeof newKeyPair>>, publicKey: string): KeyPair {
  if (!NAME.test(asked.KeyPairName)) {
    throw new ApiError(400, 'InvalidKeyPairName.Malformed', 'The specified Key Pair Name is not valid.');
  }
  if (context.region.keyPairs.has(asked.KeyPairName)) {
    throw new ApiError(400, 'KeyPair.AlreadyExist', 'The key pair already exist.');
  }
  if (context.region.keyPairs.size >= context.state.quotas.keyPairs) {
    throw new ApiError(403, 'QuotaExceed.KeyPair', 'The maximum number of key pairs is exceeded.');
  }
  const keyPair: KeyPair = {
    name: asked.KeyPairName,
    publicKey,
    fingerprint: createHash('md5')
      .update(publicKey.split(' ')[1] ?? '', 'base64')
      .digest('hex'),
    createdAt: context.clock.now(),
    resourceGroupId: asked.ResourceGroupId,
    tags: asked.Tag,
  };
  context.region.keyPairs.set(keyPair.name, keyPair);
  return keyPair;
}

/** What the call that made it answers. */
function made(keyPair: KeyPair) {
  return { KeyPairName: keyPair.name, KeyPairFingerPrint: keyPair.fingerprint };
}

function describe(keyPair: KeyPair) {
  return {
    ...made(keyPair),
    Tags: tagSet(keyPair.tags),
    ResourceGroupId: keyPair.resourceGroupId,
    CreationTime: utcMinutes(keyPair.createdAt),
  };
}

export const keyPairActions: ActionGroup = {
  service: 'ecs',
  actions: {
    ImportKeyPair: action(z.object({ ...newKeyPair, PublicKeyBody: text }), (context, asked) => {
      const publicKey = asked.PublicKeyBody.trim();
      if (!PUBLIC_KEY.test(publicKey)) {
        throw new ApiError(400, 'InvalidPublicKeyBody.Malformed', 'The specified public key is not valid.');
      }
      return made(addKeyPair(context, asked, publicKey));
    }),

    CreateKeyPair: action(z.object(newKeyPair), (context, asked) => {
      const { publicKey, privateKey } = generateKeyPairSync('rsa', {
        modulusLength: 2048,
        // Here, since to export a key later may hang Node: see src/ssh/keys.ts.
        publicKeyEncoding: { type: 'pkcs1', format: 'der' },
        privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
      });
      const keyPair = addKeyPair(context, asked, sshPublicKey(publicKey));
      return { ...made(keyPair), KeyPairId: context.random.id('ssh'), PrivateKeyBody: privateKey };
    }),

    DescribeKeyPairs: action(
      z.object({ ...paging, KeyPairName: text.optional(), KeyPairFingerPrint: text.optional(), Tag: tagFilter }),
      (context, wanted) => {
        const found = [...context.region.keyPairs.values()].filter(
          (keyPair) =>
            (wanted.KeyPairName === undefined || matchesPattern(keyPair.name, wanted.KeyPairName)) &&
            (wanted.KeyPairFingerPrint === undefined || keyPair.fingerprint === wanted.KeyPairFingerPrint) &&
            hasTags(keyPair.tags, wanted.Tag),
        );
        const { items, fields } = page(found, wanted);
        return { ...fields, KeyPairs: { KeyPair: items.map(describe) } };
      },
    ),

    /** Names that don't exist are passed over; a key pair that an instance has stays. */
    DeleteKeyPairs: action(z.object({ KeyPairNames: jsonList }), (context, asked) => {
      const inUse = new Set([...context.region.instances.values()].map((instance) => instance.keyPairName));
      if (asked.KeyPairNames.some((name) => inUse.has(name))) {
        throw new ApiError(
          400,
          'InvalidParameter.KeypairAlreadyAttachedInstance',
          'The specified key pair is attached to an instance and can not be deleted.',
        );
      }
      for (const name of asked.KeyPairNames) context.region.keyPairs.delete(name);
    }),
  },
};

/** `ssh-rsa …` of an RSA key of 2048 bits. */
function sshPublicKey(pkcs1: Buffer): string {
  const part = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const blob = Buffer.concat([part(Buffer.from('ssh-rsa')), part(pkcs1.subarray(-3)), part(pkcs1.subarray(8, 265))]);
  return `ssh-rsa ${blob.toString('base64')}`;
}
