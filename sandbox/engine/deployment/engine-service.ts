import { EngineService as Methods } from '@pulumi/pulumi/proto/engine_grpc_pb';
import * as proto from '@pulumi/pulumi/proto/engine_pb';
import { Empty } from 'google-protobuf/google/protobuf/empty_pb';
import { listen, serve } from '../rpc/transport';
import { diagnostic, type Emit, type Severity } from './events';

const SEVERITIES: Record<proto.LogSeverity, Severity> = ['debug', 'info', 'warning', 'error'];

/** pulumirpc.Engine: where programs and providers send what they have to say. */
export class EngineService {
  private constructor(
    readonly address: string,
    private readonly server: { close(): void },
  ) {}

  static async start(emit: Emit): Promise<EngineService> {
    // The root resource is set by the program and asked for by nobody but it.
    let rootUrn = '';
    const server = await listen([
      serve(Methods.log, (entry) => {
        const severity = SEVERITIES[entry.getSeverity()];
        emit(diagnostic(severity, entry.getMessage(), entry.getUrn(), entry.getStreamid(), entry.getEphemeral()));
        return new Empty();
      }),
      serve(Methods.getRootResource, () => new proto.GetRootResourceResponse().setUrn(rootUrn)),
      serve(Methods.setRootResource, (request) => {
        rootUrn = request.getUrn();
        return new proto.SetRootResourceResponse();
      }),
      serve(Methods.requirePulumiVersion, () => new proto.RequirePulumiVersionResponse()),
    ]);
    return new EngineService(server.address, server);
  }

  close(): void {
    this.server.close();
  }
}
