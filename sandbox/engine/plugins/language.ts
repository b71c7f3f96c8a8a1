import { type CallLog } from '../rpc/call-log';
import * as schema from '../rpc/schema/language';
import { Empty } from '../rpc/schema/common';
import { type Infer } from '../rpc/message';
import { RpcClient, RpcError } from '../rpc/transport';

type ProgramInfo = Infer<typeof schema.ProgramInfo>;
export type RunRequest = Infer<typeof schema.RunRequest>;

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
  requiredPackages(pwd: string): Promise<string[]>;
  run(request: Partial<RunRequest>): Promise<ProgramResult>;
  close(): void;
}

/** For operations that need no program. */
export const NO_PROGRAM: ProgramHost = {
  about: async () => undefined,
  requiredPackages: async () => [],
  run: async () => ({ error: '', bail: false }),
  close: () => undefined,
};

/** The host that runs programs: the caller's own (an inline program), or a plugin. */
export class LanguageHost implements ProgramHost {
  private readonly client: RpcClient;

  constructor(
    address: string,
    private readonly info: ProgramInfo,
    calls: CallLog | undefined,
    private readonly stop: () => void = () => undefined,
  ) {
    this.client = new RpcClient(
      address,
      'pulumirpc.LanguageRuntime',
      calls && { calls, metadata: { address, kind: 'language', mode: 'client' } },
    );
  }

  async about(): Promise<void> {
    await this.client
      .call('About', { request: schema.AboutRequest, response: schema.AboutResponse }, { info: this.info })
      .catch(ignoreUnknownCall);
  }

  async requiredPackages(pwd: string): Promise<string[]> {
    const packages = { request: schema.GetRequiredPackagesRequest, response: schema.GetRequiredPackagesResponse };
    const answer = await this.client
      .call('GetRequiredPackages', packages, { info: this.info })
      .catch(ignoreUnknownCall);
    if (answer) return answer.packages.filter(({ kind }) => kind === 'resource').map(({ name }) => name!);
    const plugins = { request: schema.GetRequiredPluginsRequest, response: schema.GetRequiredPluginsResponse };
    const request = { project: 'deprecated', pwd, program: this.info.entryPoint || '.', info: this.info };
    const older = await this.client.call('GetRequiredPlugins', plugins, request).catch(ignoreUnknownCall);
    return (older?.plugins ?? []).filter(({ kind }) => kind === 'resource').map(({ name }) => name!);
  }

  async handshake(engineAddress: string, rootDirectory: string, programDirectory: string): Promise<void> {
    const method = { request: schema.LanguageHandshakeRequest, response: Empty };
    await this.client
      .call('Handshake', method, { engineAddress, rootDirectory, programDirectory })
      .catch(ignoreUnknownCall);
  }

  async run(request: Partial<RunRequest>): Promise<ProgramResult> {
    const { error, bail } = await this.client.call(
      'Run',
      { request: schema.RunRequest, response: schema.RunResponse },
      { ...request, info: this.info },
    );
    return { error, bail };
  }

  close(): void {
    this.client.close();
    this.stop();
  }
}

function ignoreUnknownCall(error: unknown): undefined {
  if (error instanceof RpcError && error.unimplemented) return undefined;
  throw error;
}
