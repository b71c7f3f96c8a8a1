/** The provider's operations, free of gRPC: properties in, properties out. */
import { createApiClient, type ApiClient } from './api/client';
import { dataSource } from './functions';
import { difference, type PropertyDifference } from './diff';
import { resourceType } from './resources';
import { defaultTimeouts, type Context, type ResourceType, type State, type Timeouts } from './resources/resource';
import { readSettings, type ProviderSettings } from './settings';
import { equal, isProperties, UNKNOWN, type Properties, type Value } from './values';
import { systemClock, type Clock } from './waits';

/** The version of @pulumi/alicloud that this stands in for. */
export const PROVIDER_VERSION = '3.108.0';

/** Key under which the bridge keeps a resource's timeouts in `__meta`. */
const TIMEOUTS_KEY = 'e2bfb730-ecaa-11e6-8f88-34363bc7c4c0';

/**
 * There is a resource now, but something went wrong after its creation: the state takes it in, with
 * the reasons.
 */
export class InitFailedError extends Error {
  override readonly name = 'InitFailedError';

  constructor(
    readonly id: string,
    readonly properties: Properties,
    readonly inputs: Properties,
    readonly reasons: readonly string[],
  ) {
    super(reasons.join('\n'));
  }

  /** The same, with what was being done in front of each reason. */
  about(doing: string): InitFailedError {
    const reasons = this.reasons.map((reason) => `${doing}: ${reason}`);
    return new InitFailedError(this.id, this.properties, this.inputs, reasons);
  }
}

export interface ProviderOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly log?: (message: string) => void;
  readonly createApi?: (settings: ProviderSettings) => ApiClient;
}

export class Provider {
  private configured: { readonly settings: ProviderSettings; readonly api: ApiClient } | undefined;

  constructor(private readonly options: ProviderOptions) {}

  /**
   * Several stacks may share this process: the last configuration counts, as with the real
   * provider.
   */
  configure(config: Properties): void {
    const settings = readSettings(config, this.options.env);
    this.configured = { settings, api: (this.options.createApi ?? createApiClient)(settings) };
  }

  check(
    token: string,
    news: Properties,
  ): { inputs: Properties; failures: readonly { property: string; reason: string }[] } {
    const type = resourceType(token);
    const added = Object.keys(type.defaults).filter((name) => news[name] === undefined);
    const inputs: Record<string, Value> = { __defaults: added.sort() };
    for (const name of [...Object.keys(news), ...added].sort())
      inputs[name] = withDefaults(name, news[name] ?? type.defaults[name] ?? null);
    const problems = {
      ...Object.fromEntries(
        type.required
          .filter((name) => inputs[name] === undefined)
          .map((name) => [
            name,
            `Missing required argument: the argument "${name}" is required, but no definition was found.`,
          ]),
      ),
      ...type.check?.(inputs),
    };
    return { inputs, failures: Object.entries(problems).map(([property, reason]) => ({ property, reason })) };
  }

  diff(
    token: string,
    state: Properties,
    oldInputs: Properties,
    news: Properties,
    ignored: readonly string[],
  ): readonly PropertyDifference[] {
    return difference(resourceType(token), state, oldInputs, news, ignored);
  }

  async create(
    token: string,
    inputs: Properties,
    options: { readonly preview?: boolean; readonly timeoutSeconds?: number } = {},
  ): Promise<{ id: string; properties: Properties }> {
    const type = resourceType(token);
    if (options.preview === true) return { id: '', properties: planned(type, inputs) };
    const timeouts = withTimeout(type, 'create', options.timeoutSeconds);
    let id: string | undefined;
    try {
      const state = await type.create(this.context(timeouts), inputs, (created) => (id = created));
      return { id: state.id, properties: withMeta(type, state, timeouts) };
    } catch (error) {
      if (id === undefined) throw error;
      throw new InitFailedError(id, withMeta(type, { ...meaningful(type, inputs), id }, timeouts), inputs, [
        reason(error),
      ]);
    }
  }

  /** Undefined: it is gone. `inputs` are the old ones, with what has changed in the cloud. */
  async read(
    token: string,
    id: string,
    before: Properties,
    oldInputs: Properties,
  ): Promise<{ properties: Properties; inputs: Properties } | undefined> {
    const type = resourceType(token);
    const timeouts = type.timeouts ?? defaultTimeouts;
    const state = await type.read(this.context(timeouts), id, before);
    if (state === undefined) return undefined;
    return { properties: withMeta(type, state, timeouts), inputs: refreshedInputs(type, state, oldInputs) };
  }

  async update(
    token: string,
    id: string,
    before: Properties,
    inputs: Properties,
    options: { readonly preview?: boolean; readonly timeoutSeconds?: number } = {},
  ): Promise<Properties> {
    const type = resourceType(token);
    const timeouts = withTimeout(type, 'update', options.timeoutSeconds);
    if (options.preview === true) return { ...before, ...given(inputs) };
    if (type.update === undefined) throw new Error(`${token} can't be changed in place`);
    return withMeta(type, await type.update(this.context(timeouts), id, before, inputs), timeouts);
  }

  async delete(token: string, id: string, before: Properties, timeoutSeconds?: number): Promise<void> {
    const type = resourceType(token);
    await type.delete(this.context(withTimeout(type, 'delete', timeoutSeconds)), id, before);
  }

  /** Data sources. */
  invoke(token: string, args: Properties): Promise<Properties> {
    return dataSource(token)(this.context(defaultTimeouts), args);
  }

  private context(timeouts: Timeouts): Context {
    if (this.configured === undefined) throw new Error('the provider has not been configured');
    const { clock = systemClock, log = () => undefined } = this.options;
    return { ...this.configured, clock, log, timeouts };
  }
}

/** Nested objects carry a list of defaults of their own; maps of tags don't. */
function withDefaults(name: string, value: Value): Value {
  if (Array.isArray(value)) return value.map((item: Value) => withDefaults(name, item));
  if (!isProperties(value) || ['tags', 'volumeTags'].includes(name)) return value;
  const inner = Object.entries(value).map(([key, item]) => [key, withDefaults(key, item)] as const);
  return { __defaults: [], ...Object.fromEntries(inner) };
}

function withTimeout(type: ResourceType, operation: keyof Timeouts, seconds: number | undefined): Timeouts {
  const timeouts = type.timeouts ?? defaultTimeouts;
  return seconds === undefined || seconds === 0 ? timeouts : { ...timeouts, [operation]: seconds * 1000 };
}

function withMeta(type: ResourceType, state: State, timeouts: Timeouts): Properties {
  if (type.timeouts === undefined) return state;
  const nanoseconds = {
    create: timeouts.create * 1e6,
    delete: timeouts.delete * 1e6,
    ...(type.immutable === true ? {} : { update: timeouts.update * 1e6 }),
  };
  return { __meta: JSON.stringify({ [TIMEOUTS_KEY]: nanoseconds }), ...state };
}

function given(inputs: Properties): Properties {
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => name !== '__defaults'));
}

/** Without the defaults that mean nothing for this resource. */
function meaningful(type: ResourceType, inputs: Properties): Properties {
  const said = Object.entries(given(inputs));
  return Object.fromEntries(said.filter(([name, value]) => type.same?.(name, undefined, value, inputs) !== true));
}

/** A preview's outputs: what the program says, and "not known yet" for what the cloud fills in. */
function planned(type: ResourceType, inputs: Properties): Properties {
  const unknown = type.computed.filter((name) => inputs[name] === undefined).map((name) => [name, UNKNOWN]);
  return { ...given(inputs), ...Object.fromEntries([...unknown, ['id', UNKNOWN]]) } as Properties;
}

function refreshedInputs(type: ResourceType, state: State, oldInputs: Properties): Properties {
  if (Object.keys(oldInputs).length === 0) return importedInputs(type, state);
  const differs = (name: string, value: Value) => state[name] !== undefined && !equal(state[name], value);
  // A default that the cloud does not confirm is no default any more.
  const defaults = listOfNames(oldInputs['__defaults']);
  const confirmed = defaults.filter((name) => !differs(name, oldInputs[name] ?? null));
  return Object.fromEntries(
    Object.entries(oldInputs).map(([name, value]) => {
      if (name === '__defaults') return [name, confirmed];
      const meansNothing =
        !defaults.includes(name) && type.same?.(name, value, state[name] ?? null, oldInputs) === true;
      return [name, differs(name, value) && !meansNothing ? (state[name] ?? null) : value];
    }),
  );
}

function listOfNames(value: Value | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** For an imported resource: all outputs that a program could have said. */
function importedInputs(type: ResourceType, state: State): Properties {
  const settable = Object.entries(state).filter(([name, value]) => name !== 'id' && value !== null && value !== '');
  return { __defaults: [], ...Object.fromEntries(settable.filter(([name]) => !type.computed.includes(name))) };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
