import * as grpc from '@grpc/grpc-js';
import { type CallLog } from '../rpc/call-log';
import { Empty } from '../rpc/schema/common';
import * as schema from '../rpc/schema/monitor';
import { listen, RpcError, serve } from '../rpc/transport';
import { type Properties } from '../rpc/values';
import { type Infer } from '../rpc/message';

type Response = Infer<typeof schema.RegisterResourceResponse>;
type InvokeRequest = Infer<typeof schema.ResourceInvokeRequest>;
type InvokeResponse = Infer<typeof schema.ResourceInvokeResponse>;

/** What answers a program's requests. */
export interface MonitorHandler {
  info(): Partial<Infer<typeof schema.DeploymentInfo>>;
  register(request: schema.RegisterResourceRequest): Promise<Partial<Response>>;
  registerOutputs(urn: string, outputs: Properties): Promise<void>;
  read(request: schema.ReadResourceRequest): Promise<{ urn: string; properties: Properties }>;
  invoke(request: InvokeRequest): Promise<Partial<InvokeResponse>>;
  /** The program has nothing more to register; resolves when it may end. */
  finish(): Promise<void>;
}

/** Features by the names that SupportsFeature asks for, of those that GetDeploymentInfo lists. */
const SUPPORTED = ['secrets', 'resourceReferences', 'outputValues', 'aliasSpecs', 'deletedWith'];
const FEATURES = ['SECRETS', 'RESOURCE_REFERENCES', 'OUTPUT_VALUES', 'ALIAS_SPECS', 'DELETED_WITH'].map(
  (name) => `RESOURCE_MONITOR_FEATURE_${name}`,
);

/** Answers for programs after the deployment was given up; their SDK then ends without an error of its own. */
export function monitorGone(): RpcError {
  return new RpcError(grpc.status.UNAVAILABLE, "resource monitor shut down while waiting on step's done channel");
}

/** pulumirpc.ResourceMonitor: what a program talks to. */
export async function startMonitor(
  handler: MonitorHandler,
  calls: CallLog | undefined,
): Promise<{ address: string; close(): void }> {
  const name = 'pulumirpc.ResourceMonitor';
  const log = calls && { calls, metadata: { mode: 'server' as const } };
  const unsupported = (method: string) =>
    serve(name, method, { request: Empty, response: Empty }, () => {
      throw new RpcError(grpc.status.UNIMPLEMENTED, `${method} is not supported by the sandbox's engine`);
    });
  return listen([
    serve(
      name,
      'GetDeploymentInfo',
      { request: Empty, response: schema.DeploymentInfo },
      () => ({ ...handler.info(), supportedFeatures: FEATURES }),
      log,
    ),
    serve(
      name,
      'SupportsFeature',
      { request: schema.SupportsFeatureRequest, response: schema.SupportsFeatureResponse },
      ({ id }) => ({ hasSupport: SUPPORTED.includes(id) }),
      log,
    ),
    serve(
      name,
      'RegisterResource',
      { request: schema.RegisterResourceRequest, response: schema.RegisterResourceResponse },
      (request) => handler.register(request),
      log,
    ),
    serve(
      name,
      'RegisterResourceOutputs',
      { request: schema.RegisterResourceOutputsRequest, response: Empty },
      async ({ urn, outputs }) => {
        await handler.registerOutputs(urn, outputs ?? {});
        return {};
      },
      log,
    ),
    serve(
      name,
      'ReadResource',
      { request: schema.ReadResourceRequest, response: schema.ReadResourceResponse },
      (request) => handler.read(request),
      log,
    ),
    serve(
      name,
      'Invoke',
      { request: schema.ResourceInvokeRequest, response: schema.ResourceInvokeResponse },
      (request) => handler.invoke(request),
      log,
    ),
    serve(
      name,
      'SignalAndWaitForShutdown',
      { request: Empty, response: Empty },
      async () => {
        await handler.finish();
        return {};
      },
      log,
    ),
    ...[
      'Call',
      'RegisterStackTransform',
      'RegisterStackInvokeTransform',
      'RegisterResourceHook',
      'RegisterErrorHook',
      'RegisterPackage',
    ].map(unsupported),
  ]);
}
