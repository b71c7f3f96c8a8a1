import { LanguageRuntimeService as Methods } from '@pulumi/pulumi/proto/language_grpc_pb';
import * as proto from '@pulumi/pulumi/proto/language_pb';
import { type PluginDependency } from '@pulumi/pulumi/proto/plugin_pb';
import { type CallLog } from '../rpc/call-log';
import { toStruct } from '../rpc/struct';
import { RpcClient, RpcError } from '../rpc/transport';

/** What a program may know of the deployment that it is run for. */
export interface ProgramSettings {
  project: string;
  stack: string;
  organization: string;
  config: Record<string, string>;
  configSecretKeys: string[];
  dryRun: boolean;
  parallel: number;
}

/** What a program is told when it is run. */
export interface ProgramRun extends ProgramSettings {
  monitorAddress: string;
  engineAddress: string;
}

/** How a program ended. */
export interface ProgramResult {
  /** What went wrong; empty when nothing did. */
  error: string;
  /** The program has already told it. */
  bail: boolean;
}

/** Something that runs a program. */
export interface ProgramHost {
  /** Asks after the runtime's version; nobody minds when it does not know. */
  about(): Promise<void>;
  /** The packages of which the program needs providers. */
  requiredPackages(): Promise<string[]>;
  run(run: ProgramRun): Promise<ProgramResult>;
  close(): void;
}

/** For operations that need no program. */
export const NO_PROGRAM: ProgramHost = {
  about: async () => undefined,
  requiredPackages: async () => [],
  run: async () => ({ error: '', bail: false }),
  close: () => undefined,
};

/** The host of an inline program: the caller itself. */
export class LanguageHost implements ProgramHost {
  private readonly client: RpcClient;
  private readonly info: proto.ProgramInfo;

  constructor(
    address: string,
    rootDirectory: string,
    private readonly programDirectory: string,
    calls: CallLog | undefined,
  ) {
    this.client = new RpcClient(address, calls && { calls, metadata: { address, kind: 'language', mode: 'client' } });
    this.info = new proto.ProgramInfo()
      .setRootDirectory(rootDirectory)
      .setProgramDirectory(programDirectory)
      .setEntryPoint('.')
      .setOptions(toStruct({ address }));
  }

  async about(): Promise<void> {
    await this.client.call(Methods.about, new proto.AboutRequest().setInfo(this.info)).catch(ignoreUnknownCall);
  }

  async requiredPackages(): Promise<string[]> {
    const request = new proto.GetRequiredPackagesRequest().setInfo(this.info);
    const answer = await this.client.call(Methods.getRequiredPackages, request).catch(ignoreUnknownCall);
    const packages = answer?.getPackagesList() ?? (await this.requiredPlugins());
    return packages.filter((one) => one.getKind() === 'resource').map((one) => one.getName());
  }

  /** The older form of the question, which is the one that the Automation API answers. */
  private async requiredPlugins(): Promise<PluginDependency[]> {
    const request = new proto.GetRequiredPluginsRequest()
      .setProject('deprecated')
      .setPwd(this.info.getRootDirectory())
      .setProgram('.')
      .setInfo(this.info);
    const answer = await this.client.call(Methods.getRequiredPlugins, request).catch(ignoreUnknownCall);
    return answer?.getPluginsList() ?? [];
  }

  async run(run: ProgramRun): Promise<ProgramResult> {
    const request = new proto.RunRequest()
      .setProject(run.project)
      .setStack(run.stack)
      .setOrganization(run.organization)
      .setPwd(this.programDirectory)
      .setProgram('.')
      .setArgsList([run.engineAddress])
      .setConfigsecretkeysList(run.configSecretKeys)
      .setDryrun(run.dryRun)
      .setParallel(run.parallel)
      .setMonitorAddress(run.monitorAddress)
      .setInfo(this.info);
    for (const [key, value] of Object.entries(run.config)) request.getConfigMap().set(key, value);
    const answer = await this.client.call(Methods.run, request);
    return { error: answer.getError(), bail: answer.getBail() };
  }

  close(): void {
    this.client.close();
  }
}

function ignoreUnknownCall(error: unknown): undefined {
  if (error instanceof RpcError && error.unimplemented) return undefined;
  throw error;
}
