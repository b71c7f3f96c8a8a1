import * as grpc from '@grpc/grpc-js';
import { Status } from '../../../../sandbox/engine/rpc/schema/common';

/** The error with which a provider says that a resource is there, but not ready. */
export function initFailed(detail: Buffer): grpc.ServiceError {
  const metadata = new grpc.Metadata();
  const any = { typeUrl: 'type.googleapis.com/pulumirpc.ErrorResourceInitFailed', value: detail };
  metadata.add(
    'grpc-status-details-bin',
    Status.encode({ code: grpc.status.UNKNOWN, message: 'init failed', details: [any] }),
  );
  return Object.assign(new Error('init failed'), {
    code: grpc.status.UNKNOWN,
    details: 'resource init failed',
    metadata,
  });
}
