import { type CallLog } from '../rpc/call-log';
import { CommandError } from '../errors';
import { type Environment } from '../project/paths';
import { type Properties } from '../rpc/values';
import { equal, without } from '../rpc/values';
import { parseProviderReference, providerPackage, providerReference, urnType } from '../deployment/urn';
import { type Resource } from '../state/checkpoint';
import { findOnPath } from './find';
import { launchPlugin, type PluginOutput } from './launch';
import { DiffResponse } from '@pulumi/pulumi/proto/provider_pb';
import { Provider, type Checked } from './provider';

/** What the registry needs of the deployment. */
export interface RegistryHost {
  env: Environment;
  /** Where providers run: the program's folder. */
  cwd: string;
  engineAddress: string;
  statusAddress: string;
  calls: CallLog | undefined;
  warn(text: string): void;
  output: PluginOutput;
}

/** Keys of a provider's inputs that are for the engine, not for the provider. */
const INTERNAL = '__internal';

/** The providers of a deployment, by the resources that stand for them. */
export class ProviderRegistry {
  private readonly configured = new Map<string, Promise<Provider>>();
  /** Checked, and not yet configured; by URN. */
  private readonly checked = new Map<string, Provider>();
  private readonly running = new Set<Provider>();

  constructor(private readonly host: RegistryHost) {}

  /** Says from where a package's provider will come; throws CommandError when there is none. */
  locate(pkg: string): string {
    const file = findOnPath(`pulumi-resource-${pkg}`, this.host.env);
    if (!file) {
      throw new CommandError(
        `no resource plugin 'pulumi-resource-${pkg}' found in the workspace or on your $PATH; put pulumi-resource-${pkg} on PATH`,
      );
    }
    this.host.warn(`using pulumi-resource-${pkg} from $PATH at ${file}`);
    return file;
  }

  /** The configured provider that a resource refers to by URN::ID. */
  async get(reference: string): Promise<Provider> {
    const provider = this.configured.get(reference);
    if (provider) return provider;
    throw new CommandError(`unknown provider '${parseProviderReference(reference).urn}'`);
  }

  /** Checks a provider's inputs, as the Check of its resource. */
  async check(urn: string, olds: Properties, news: Properties): Promise<Checked> {
    const provider = await this.start(providerPackage(urnType(urn)));
    const { inputs, failures } = await provider.checkConfig(urn, external(olds), external(news));
    if (failures.length > 0) {
      this.end(provider);
      return { inputs, failures };
    }
    this.checked.set(urn, provider);
    const kept: Properties = { ...inputs };
    for (const key of ['version', INTERNAL]) if (news[key] !== undefined) kept[key] = news[key];
    return { inputs: kept, failures };
  }

  /** Compares a provider's inputs, as the Diff of its resource. */
  async diff(urn: string, old: Resource, news: Properties): ReturnType<Provider['diffConfig']> {
    const provider = this.checked.get(urn);
    if (!provider) throw new Error(`provider ${urn} was not checked before its diff`);
    const answer = await provider.diffConfig(urn, {
      olds: old.outputs ?? {},
      oldInputs: external(old.inputs ?? {}),
      news: external(news),
    });
    const { DIFF_UNKNOWN, DIFF_NONE, DIFF_SOME } = DiffResponse.DiffChanges;
    if (answer.getChanges() !== DIFF_UNKNOWN) return answer;
    return answer.setChanges(equal(old.outputs ?? {}, external(news)) ? DIFF_NONE : DIFF_SOME);
  }

  /**
   * Configures a provider whose resource is created, changed, or stays the same; returns its
   * outputs.
   */
  async configure(urn: string, id: string, inputs: Properties): Promise<Properties> {
    const reference = providerReference(urn, id);
    const checked = this.checked.get(urn);
    this.checked.delete(urn);
    const provider = (async () => {
      const started = checked ?? (await this.start(providerPackage(urnType(urn))));
      await started.configure(urn, id, external(inputs));
      return started;
    })();
    this.configured.set(reference, provider);
    await provider;
    return external(inputs);
  }

  /** Makes sure that a provider of the old state runs, for those who only delete or read. */
  async ensure(resource: Resource): Promise<void> {
    const reference = providerReference(resource.urn, resource.id!);
    const known = this.configured.get(reference);
    if (known) await known;
    else await this.configure(resource.urn, resource.id!, resource.inputs ?? {});
  }

  /** Asks every provider to give up what it is doing. */
  async cancelAll(): Promise<void> {
    await Promise.all([...this.running].map((provider) => provider.cancel()));
  }

  /** Ends every provider. */
  close(): void {
    for (const provider of [...this.running]) this.end(provider);
  }

  private end(provider: Provider): void {
    this.running.delete(provider);
    provider.close();
  }

  private async start(pkg: string): Promise<Provider> {
    const attached = debugPort(this.host.env, pkg);
    const process = attached
      ? { address: `127.0.0.1:${attached}`, directory: this.host.cwd, stop: () => undefined }
      : await launchPlugin(this.locate(pkg), [this.host.engineAddress], this.host.cwd, this.host.env, this.host.output);
    const provider = new Provider(process, pkg, this.host.calls, { address: this.host.statusAddress });
    this.running.add(provider);
    if (attached) await provider.attach(this.host.engineAddress);
    await provider.handshake(this.host.engineAddress);
    return provider;
  }
}

/** PULUMI_DEBUG_PROVIDERS=NAME:PORT,…: providers that run already. */
function debugPort(env: Environment, pkg: string): number | undefined {
  for (const entry of (env['PULUMI_DEBUG_PROVIDERS'] ?? '').split(',')) {
    const [name, port] = entry.split(':');
    if (name !== pkg) continue;
    if (!port || !/^\d+$/.test(port))
      throw new CommandError(`PULUMI_DEBUG_PROVIDERS: '${entry}' is not of the form NAME:PORT`);
    return Number(port);
  }
  return undefined;
}

function external(inputs: Properties): Properties {
  return without(inputs, INTERNAL);
}
