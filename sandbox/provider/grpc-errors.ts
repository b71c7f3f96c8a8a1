/** Errors as gRPC carries them. */
import * as grpc from '@grpc/grpc-js';
import { Any } from 'google-protobuf/google/protobuf/any_pb';
import { ErrorResourceInitFailed } from '@pulumi/pulumi/proto/provider_pb';
import { Status } from '@pulumi/pulumi/proto/status_pb';
import { InitFailedError } from './provider';
import { toStruct } from './values';

class UnimplementedError extends Error {
  override readonly name = 'UnimplementedError';
}

export function unimplemented(method: string): UnimplementedError {
  return new UnimplementedError(`method ${method} not implemented`);
}

export function toServiceError(error: unknown): Partial<grpc.StatusObject> {
  const details = error instanceof Error ? error.message : String(error);
  if (error instanceof UnimplementedError) return { code: grpc.status.UNIMPLEMENTED, details };
  if (error instanceof InitFailedError) return initFailed(error);
  return { code: grpc.status.UNKNOWN, details };
}

/**
 * The resource exists all the same: the engine reads its id and properties from the status'
 * details.
 */
function initFailed(error: InitFailedError): Partial<grpc.StatusObject> {
  const detail = new ErrorResourceInitFailed()
    .setId(error.id)
    .setProperties(toStruct(error.properties))
    .setInputs(toStruct(error.inputs))
    .setReasonsList([...error.reasons]);
  const any = new Any();
  any.pack(detail.serializeBinary(), 'pulumirpc.ErrorResourceInitFailed');
  const status = new Status().setCode(grpc.status.UNKNOWN).setMessage(error.message).setDetailsList([any]);
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(status.serializeBinary()));
  return { code: grpc.status.UNKNOWN, details: error.message, metadata };
}
