import { randomUUID } from 'node:crypto';
import * as grpc from '@grpc/grpc-js';
import { type Clock } from '../clock';
import { PartialFailure, type Provider } from '../plugins/provider';
import { type ProviderRegistry } from '../plugins/registry';
import { RpcError } from '../rpc/transport';
import { equal } from '../rpc/values';
import { UNKNOWN } from '../secrets/envelope';
import { type Resource } from '../state/checkpoint';
import { type Outcome } from './step';
import { isProviderType } from './urn';

/** Does to the world what steps want, and writes what came of it into their new states. */
export class StepExecutor {
  constructor(
    private readonly registry: ProviderRegistry,
    private readonly clock: Clock,
    private readonly preview: boolean,
  ) {}

  create(resource: Resource): Promise<Outcome> {
    return this.attemptChange(async () => {
      const { urn, inputs = {} } = resource;
      if (isProviderType(resource.type)) {
        // A preview configures the provider as well, under an id that nobody will see again.
        resource.id = this.preview ? UNKNOWN : randomUUID();
        resource.outputs = await this.registry.configure(urn, resource.id, inputs);
      } else if (resource.custom) await this.createCustom(resource);
      this.stamp(resource, 'created');
    });
  }

  private async createCustom(resource: Resource): Promise<void> {
    const provider = await this.registry.get(resource.provider!);
    if (this.preview && !provider.supportsPreview) {
      resource.outputs = { ...resource.inputs };
      return;
    }
    try {
      const { id, outputs } = await provider.create(
        resource.urn,
        resource.inputs ?? {},
        resource.customTimeouts?.create ?? 0,
        this.preview,
      );
      if (!id && !this.preview) throw new Error('provider did not return an ID from Create');
      if (!this.preview) resource.id = id;
      resource.outputs = outputs;
    } catch (error) {
      if (error instanceof PartialFailure) {
        resource.id = error.id;
        adopt(resource, error);
        this.stamp(resource, 'created');
      }
      throw error;
    }
  }

  update(old: Resource, now: Resource, ignoreChanges: string[]): Promise<Outcome> {
    return this.attemptChange(async () => {
      if (old.id) now.id = old.id;
      if (isProviderType(now.type)) now.outputs = await this.registry.configure(now.urn, old.id!, now.inputs ?? {});
      else if (now.custom) await this.updateCustom(await this.registry.get(now.provider!), old, now, ignoreChanges);
      this.stamp(now, 'modified', old);
    });
  }

  private async updateCustom(provider: Provider, old: Resource, now: Resource, ignoreChanges: string[]): Promise<void> {
    if (this.preview && !provider.supportsPreview) {
      now.outputs = { ...old.outputs, ...now.inputs };
      return;
    }
    const state = { olds: old.outputs ?? {}, oldInputs: old.inputs ?? {}, news: now.inputs ?? {} };
    const options = { timeout: now.customTimeouts?.update ?? 0, ignoreChanges, preview: this.preview };
    try {
      now.outputs = await provider.update(now.urn, old.id!, state, options);
    } catch (error) {
      if (error instanceof PartialFailure) {
        adopt(now, error);
        this.stamp(now, 'modified', old);
      }
      throw error;
    }
  }

  delete(resource: Resource): Promise<Outcome> {
    return this.attempt(async () => {
      if (
        this.preview ||
        !resource.custom ||
        resource.external ||
        resource.retainOnDelete ||
        isProviderType(resource.type)
      )
        return;
      const provider = await this.registry.get(resource.provider!);
      const { urn, id = '', inputs = {}, outputs = {}, customTimeouts } = resource;
      try {
        await provider.delete(urn, id, inputs, outputs, customTimeouts?.delete ?? 0);
      } catch (error) {
        throw error instanceof RpcError
          ? new RpcError(error.code, `deleting ${urn}: ${error.details}`, error.attachments)
          : error;
      }
    });
  }

  /** Reads a resource that the program only looks at. */
  read(now: Resource): Promise<Outcome> {
    return this.attempt(async () => {
      const provider = await this.registry.get(now.provider!);
      if (now.id === UNKNOWN) {
        now.outputs = {};
        return;
      }
      const found = await provider.read(now.urn, now.id!, undefined, now.inputs ?? {});
      if (!found) throw new Error(`resource '${now.id}' does not exist`);
      now.outputs = found.outputs;
      now.id = found.id;
      this.stamp(now, 'created');
    });
  }

  /**
   * What the cloud says of a resource now; undefined when it is gone. Throws when it could not be
   * asked.
   */
  async refreshed(old: Resource): Promise<Resource | undefined> {
    const provider = await this.registry.get(old.provider!);
    const now: Resource = { ...old };
    delete now.initErrors;
    try {
      const found = await provider.read(old.urn, old.id!, old.inputs, old.outputs ?? {});
      if (!found) return undefined;
      now.id = found.id;
      now.outputs = found.outputs;
      if (found.inputs) now.inputs = found.inputs;
    } catch (error) {
      if (!(error instanceof PartialFailure)) throw error;
      adopt(now, error);
    }
    const changed = !equal(now.outputs, old.outputs ?? {}) || !equal(now.inputs, old.inputs ?? {});
    if (changed) this.stamp(now, 'modified', old);
    return now;
  }

  private stamp(resource: Resource, what: 'created' | 'modified', old?: Resource): void {
    if (this.preview) return;
    resource.modified = this.clock.now();
    if (what === 'created') resource.created = resource.modified;
    else if (old?.created) resource.created = old.created;
  }

  private async attempt(work: () => Promise<void>): Promise<Outcome> {
    try {
      await work();
      return { status: 'ok' };
    } catch (error) {
      return failure(error as Error);
    }
  }

  /**
   * As {@link attempt}; the real engine takes a creation or change that was refused to have done
   * nothing.
   */
  private async attemptChange(work: () => Promise<void>): Promise<Outcome> {
    const outcome = await this.attempt(work);
    return outcome.status === 'unknown' ? { ...outcome, status: 'unchanged' } : outcome;
  }
}

/** Codes after which nobody knows whether the provider did something. */
const UNCERTAIN = [grpc.status.INTERNAL, grpc.status.DATA_LOSS, grpc.status.UNKNOWN];

function failure(error: Error): Outcome {
  if (error instanceof PartialFailure) return { status: 'partial', error };
  if (!(error instanceof RpcError)) return { status: 'unchanged', error };
  return { status: UNCERTAIN.includes(error.code) ? 'unknown' : 'unchanged', error: new Error(error.details) };
}

function adopt(resource: Resource, { outputs, inputs, reasons }: PartialFailure): void {
  if (outputs) resource.outputs = outputs;
  if (Object.keys(inputs).length > 0) resource.inputs = inputs;
  resource.initErrors = reasons;
}
