import * as schema from '../rpc/schema/engine';
import { Empty } from '../rpc/schema/common';
import { listen, serve } from '../rpc/transport';
import { diagnostic, type Emit, type Severity } from './events';

const SEVERITIES: Record<(typeof schema.LOG_SEVERITIES)[number], Severity> = {
  DEBUG: 'debug',
  INFO: 'info',
  WARNING: 'warning',
  ERROR: 'error',
};

/** pulumirpc.Engine: where programs and providers send what they have to say. */
export class EngineService {
  private rootUrn = '';

  private constructor(
    readonly address: string,
    private readonly server: { close(): void },
  ) {}

  static async start(emit: Emit): Promise<EngineService> {
    // The root resource is set by the program and asked for by nobody but it.
    let service: EngineService | undefined;
    const name = 'pulumirpc.Engine';
    const methods = [
      serve(name, 'Log', { request: schema.LogRequest, response: Empty }, (entry) => {
        emit(diagnostic(SEVERITIES[entry.severity], entry.message, entry.urn, entry.streamId, entry.ephemeral));
        return {};
      }),
      serve(name, 'GetRootResource', { request: Empty, response: schema.GetRootResourceResponse }, () => ({
        urn: service!.rootUrn,
      })),
      serve(name, 'SetRootResource', { request: schema.SetRootResourceRequest, response: Empty }, ({ urn }) => {
        service!.rootUrn = urn;
        return {};
      }),
      serve(name, 'StartDebugging', { request: schema.StartDebuggingRequest, response: Empty }, () => ({})),
      serve(name, 'RequirePulumiVersion', { request: schema.RequirePulumiVersionRequest, response: Empty }, () => ({})),
    ];
    const server = await listen(methods);
    return (service = new EngineService(server.address, server));
  }

  close(): void {
    this.server.close();
  }
}
