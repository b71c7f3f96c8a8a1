/**
 * The object store's endpoint: the part of OSS and of its S3-compatible face that state backends,
 * caches and the provider use.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../model/clock';
import type { Random } from '../model/random';
import type { AccessKey, CloudState } from '../model/records';
import type { CallLog } from '../server/callLog';
import { ApiError } from '../server/errors';
import { takeFault } from '../server/faults';
import { checkPermission } from '../server/policy';
import type { StoreAnswer, StoreCall } from './answer';
import * as buckets from './buckets';
import { StoreError } from './errors';
import { listObjects, listVersions } from './listing';
import * as objects from './objects';
import { objectRequest } from './request';
import { claimOf } from './signature';
import type { ObjectStore } from './store';
import { xmlDocument } from './xml';

export interface ObjectApiSettings {
  readonly store: ObjectStore;
  readonly state: CloudState;
  readonly clock: Clock;
  readonly calls: CallLog;
  readonly random: Random;
}

/** An operation, by the name that RAM and the log know it under. */
interface Operation {
  readonly name: string;
  readonly run: (call: StoreCall) => StoreAnswer | Promise<StoreAnswer>;
}

/** Whether a request is for the object store, and not for the RPC API. */
export function isObjectRequest(request: IncomingMessage): boolean {
  const [path = '/', query = ''] = (request.url ?? '/').split('?');
  if (path !== '/') return true;
  const { authorization = '', host = '' } = request.headers;
  return (
    /^(AWS4-|OSS4-|OSS )/.test(authorization) || /^[^:]*\.oss[.-]/.test(host) || /(^|&)(X-Amz-|x-oss-)/.test(query)
  );
}

export class ObjectApi {
  constructor(private readonly settings: ObjectApiSettings) {}

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { store, state, clock, calls } = this.settings;
    const call: StoreCall = {
      ...objectRequest(request),
      store,
      request,
      region: state.region,
      accountId: state.accountId,
      now: clock.now(),
    };
    const operation = operationOf(call);
    let answer: StoreAnswer;
    let code: string | undefined;
    try {
      this.authorize(call, operation);
      this.meetFault(operation);
      answer = await operation.run(call);
    } catch (error) {
      const known = storeError(error);
      code = known.code;
      answer = errorAnswer(known, call);
    }
    const status = answer.status ?? 200;
    const params = { Bucket: call.bucket, Key: call.key };
    calls.add({
      action: `oss:${operation.name}`,
      params,
      status,
      ...(code === undefined ? {} : { code }),
      atMs: clock.now(),
    });
    await respond(request, response, answer).catch(() => response.destroy());
  }

  /** Throws `StoreError` where a fault is injected for `oss:` and the operation's name. */
  private meetFault({ name }: Operation): void {
    const { state, random } = this.settings;
    const error = takeFault(state, random, `oss:${name}`, {})?.error;
    if (error) throw new StoreError(error.status, error.code, error.message);
  }

  /** Throws `StoreError` where the signature is wrong or the key may not. */
  private authorize(call: StoreCall, operation: Operation): void {
    const { state, clock } = this.settings;
    const claim = claimOf({ ...call, headers: call.request.headers });
    if (!claim) throw new StoreError(403, 'AccessDenied', 'Anonymous access is forbidden for this operation.');
    const key: AccessKey | undefined = state.accessKeys.get(claim.accessKeyId);
    if (!key || (key.endsAt ?? Infinity) <= clock.now()) {
      throw new StoreError(403, 'InvalidAccessKeyId', 'The access key ID you provided does not exist in our records.');
    }
    if (key.securityToken !== claim.token) {
      throw new StoreError(403, 'InvalidSecurityToken', 'The security token you provided is invalid.');
    }
    if (!claim.isSignedWith(key.secret)) {
      throw new StoreError(
        403,
        'SignatureDoesNotMatch',
        'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      );
    }
    if (claim.endsAt !== undefined && !(claim.endsAt > clock.now()))
      throw new StoreError(403, 'AccessDenied', 'Request has expired.');
    const arn = `acs:oss:*:${state.accountId}:${call.bucket === '' ? '*' : call.bucket}${call.key === '' ? '' : `/${call.key}`}`;
    const resources = [{ arn, tags: {} }];
    const question = {
      action: `oss:${operation.name}`,
      accountId: state.accountId,
      resources,
      requestTags: {},
      secureTransport: false,
    };
    checkPermission(key, question);
  }
}

function operationOf(call: StoreCall): Operation {
  if (call.bucket === '') return { name: 'ListBuckets', run: buckets.listBuckets };
  return call.key === '' ? bucketOperation(call) : objectOperation(call);
}

const UNKNOWN: Operation = {
  name: 'Unknown',
  run: () => {
    throw new StoreError(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.');
  },
};

function bucketOperation(call: StoreCall): Operation {
  const { method, query } = call;
  const setting = buckets.settingOf(call);
  const reads = method === 'GET' || method === 'HEAD';
  if (setting !== undefined) return settingOperation(method, setting);
  if (reads && query.has('bucketInfo')) return { name: 'GetBucketInfo', run: buckets.bucketInfo };
  if (reads && query.has('acl')) return { name: 'GetBucketAcl', run: buckets.getAcl };
  if (reads && query.has('location')) return { name: 'GetBucketLocation', run: location };
  if (reads && query.has('versions')) return { name: 'ListObjectVersions', run: listVersions };
  if (method === 'HEAD') return { name: 'GetBucketInfo', run: buckets.headBucket };
  if (method === 'GET') return { name: 'ListObjects', run: listObjects };
  if (method === 'PUT')
    return query.has('acl')
      ? { name: 'PutBucketAcl', run: buckets.putAcl }
      : { name: 'PutBucket', run: buckets.createBucket };
  if (method === 'DELETE') return { name: 'DeleteBucket', run: buckets.deleteBucket };
  if (method === 'POST' && query.has('delete')) return { name: 'DeleteObject', run: objects.deleteObjects };
  return UNKNOWN;
}

function settingOperation(method: string, setting: string): Operation {
  const title = `Bucket${setting[0]?.toUpperCase()}${setting.slice(1)}`;
  if (method === 'GET') return { name: `Get${title}`, run: (call) => buckets.getSetting(call, setting) };
  if (method === 'PUT') return { name: `Put${title}`, run: (call) => buckets.putSetting(call, setting) };
  if (method === 'DELETE') return { name: `Delete${title}`, run: (call) => buckets.deleteSetting(call, setting) };
  return UNKNOWN;
}

function location(call: StoreCall): StoreAnswer {
  buckets.bucketOf(call);
  return { xml: { LocationConstraint: call.region } };
}

function objectOperation({ method, query }: StoreCall): Operation {
  const upload = query.has('uploadId');
  if (method === 'GET' || method === 'HEAD') return { name: 'GetObject', run: objects.getObject };
  if (method === 'PUT') return { name: 'PutObject', run: upload ? objects.putPart : objects.putObject };
  if (method === 'POST' && query.has('uploads')) return { name: 'PutObject', run: objects.startUpload };
  if (method === 'POST' && upload) return { name: 'PutObject', run: objects.finishUpload };
  if (method === 'DELETE' && upload) return { name: 'AbortMultipartUpload', run: objects.dropUpload };
  if (method === 'DELETE') return { name: 'DeleteObject', run: objects.deleteObject };
  return UNKNOWN;
}

function storeError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  if (error instanceof ApiError)
    return new StoreError(
      403,
      'AccessDenied',
      'You have no right to access this object because of bucket acl or policy.',
    );
  return new StoreError(500, 'InternalError', `The simulated object store failed: ${String(error)}`);
}

function errorAnswer(error: StoreError, call: StoreCall): StoreAnswer {
  const xml = {
    Error: {
      Code: error.code,
      Message: error.message,
      RequestId: requestId(),
      HostId: call.request.headers.host ?? '',
      BucketName: call.bucket,
      Key: call.key,
    },
  };
  return { status: error.status, xml };
}

function requestId(): string {
  return randomBytes(12).toString('hex').toUpperCase();
}

async function respond(request: IncomingMessage, response: ServerResponse, answer: StoreAnswer): Promise<void> {
  const id = requestId();
  const common = { 'x-oss-request-id': id, 'x-amz-request-id': id, ...answer.headers };
  const text = answer.text ?? (answer.xml === undefined ? '' : xmlDocument(answer.xml));
  const status = answer.status ?? 200;
  request.resume();
  if (answer.file === undefined) {
    const body =
      text === '' ? {} : { 'content-type': 'application/xml', 'content-length': String(Buffer.byteLength(text)) };
    // 204 and 304 have no body, and no length either.
    response.writeHead(status, { ...common, ...(text === '' && status === 200 ? { 'content-length': '0' } : body) });
    response.end(request.method === 'HEAD' ? undefined : text);
    return;
  }
  const { path, start, end } = answer.file;
  response.writeHead(status, { ...common, 'content-length': String(end - start + 1) });
  if (request.method === 'HEAD' || end < start) response.end();
  else await pipeline(createReadStream(path, { start, end }), response);
}
