import * as grpc from '@grpc/grpc-js';
import { ResourceMonitorService as Methods } from '@pulumi/pulumi/proto/resource_grpc_pb';
import * as proto from '@pulumi/pulumi/proto/resource_pb';
import { Empty } from 'google-protobuf/google/protobuf/empty_pb';
import { type ProgramSettings } from '../plugins/language';
import { type CallLog } from '../rpc/call-log';
import { fromStruct } from '../rpc/struct';
import { listen, RpcError, serve } from '../rpc/transport';
import { type Properties } from '../rpc/values';

/** What answers a program's requests. */
export interface MonitorHandler {
  info(): proto.DeploymentInfo;
  register(request: proto.RegisterResourceRequest): Promise<proto.RegisterResourceResponse>;
  registerOutputs(urn: string, outputs: Properties): Promise<void>;
  read(request: proto.ReadResourceRequest): Promise<proto.ReadResourceResponse>;
  invoke(request: proto.ResourceInvokeRequest): Promise<proto.ResourceInvokeResponse>;
  /** The program has nothing more to register; resolves when it may end. */
  finish(): Promise<void>;
}

/** Features by the names that SupportsFeature asks for, of those that GetDeploymentInfo lists. */
const SUPPORTED = ['secrets', 'resourceReferences', 'outputValues', 'aliasSpecs', 'deletedWith'];
const { ResourceMonitorFeature: Feature } = proto;
const FEATURES = [
  Feature.RESOURCE_MONITOR_FEATURE_SECRETS,
  Feature.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
  Feature.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
  Feature.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
  Feature.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
];

/** What a program is told of the deployment when it asks. */
export function deploymentInfo(settings: ProgramSettings): proto.DeploymentInfo {
  const info = new proto.DeploymentInfo()
    .setProject(settings.project)
    .setStack(settings.stack)
    .setOrganization(settings.organization)
    .setDryrun(settings.dryRun)
    .setParallel(settings.parallel)
    .setConfigsecretkeysList(settings.configSecretKeys)
    .setSupportedfeaturesList(FEATURES);
  for (const [key, value] of Object.entries(settings.config)) info.getConfigMap().set(key, value);
  return info;
}

/**
 * Answers for programs after the deployment was given up; their SDK then ends without an error of
 * its own.
 */
export function monitorGone(): RpcError {
  return new RpcError(grpc.status.UNAVAILABLE, "resource monitor shut down while waiting on step's done channel");
}

/** pulumirpc.ResourceMonitor: what a program talks to. */
export async function startMonitor(
  handler: MonitorHandler,
  calls: CallLog | undefined,
): Promise<{ address: string; close(): void }> {
  const log = calls && { calls, metadata: { mode: 'server' as const } };
  return listen([
    serve(Methods.getDeploymentInfo, () => handler.info(), log),
    serve(
      Methods.supportsFeature,
      (request) => new proto.SupportsFeatureResponse().setHassupport(SUPPORTED.includes(request.getId())),
      log,
    ),
    serve(Methods.registerResource, (request) => handler.register(request), log),
    serve(
      Methods.registerResourceOutputs,
      async (request) => {
        await handler.registerOutputs(request.getUrn(), fromStruct(request.getOutputs()));
        return new Empty();
      },
      log,
    ),
    serve(Methods.readResource, (request) => handler.read(request), log),
    serve(Methods.invoke, (request) => handler.invoke(request), log),
    serve(
      Methods.signalAndWaitForShutdown,
      async () => {
        await handler.finish();
        return new Empty();
      },
      log,
    ),
  ]);
}
