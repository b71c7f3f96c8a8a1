import * as grpc from '@grpc/grpc-js';
import { ErrorResourceInitFailed } from '@pulumi/pulumi/proto/provider_pb';
import { Status } from '@pulumi/pulumi/proto/status_pb';
import { Any } from 'google-protobuf/google/protobuf/any_pb';
import { toStruct } from '../../../../sandbox/engine/rpc/struct';
import { type Properties } from '../../../../sandbox/engine/rpc/values';

/** The error with which a provider says that a resource is there, but not ready. */
export function initFailed(id: string, outputs: Properties, reasons: string[]): grpc.ServiceError {
  const detail = new ErrorResourceInitFailed().setId(id).setProperties(toStruct(outputs)).setReasonsList(reasons);
  const any = new Any();
  any.pack(detail.serializeBinary(), 'pulumirpc.ErrorResourceInitFailed');
  const status = new Status().setCode(grpc.status.UNKNOWN).setMessage('init failed').setDetailsList([any]);
  const metadata = new grpc.Metadata();
  metadata.add('grpc-status-details-bin', Buffer.from(status.serializeBinary()));
  return Object.assign(new Error('init failed'), {
    code: grpc.status.UNKNOWN,
    details: 'resource init failed',
    metadata,
  });
}
