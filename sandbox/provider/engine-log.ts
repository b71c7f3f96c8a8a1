import * as grpc from '@grpc/grpc-js';
import { EngineClient } from '@pulumi/pulumi/proto/engine_grpc_pb';
import { LogRequest, LogSeverity } from '@pulumi/pulumi/proto/engine_pb';

/**
 * Tells the engine what the provider notes for debugging. An engine that is gone hears nothing, and
 * nothing waits for it.
 */
export function engineLog(address: string): (message: string) => void {
  const client = new EngineClient(address, grpc.credentials.createInsecure());
  return (message) =>
    void client.log(new LogRequest().setSeverity(LogSeverity.DEBUG).setMessage(message), () => undefined);
}
