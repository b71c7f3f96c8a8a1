/** What the provider needs to know of a resource type. */
import type { ApiClient } from '../api/client';
import type { ProviderSettings } from '../settings';
import type { Properties, Value } from '../values';
import type { Clock } from '../waits';

/** Milliseconds. */
export interface Timeouts {
  readonly create: number;
  readonly update: number;
  readonly delete: number;
}

/** All that an operation may use of the world. */
export interface Context {
  readonly api: ApiClient;
  readonly settings: ProviderSettings;
  readonly clock: Clock;
  /** A note for debugging, which the engine has among its events. */
  readonly log: (message: string) => void;
  /** The type's own, or the program's customTimeouts. */
  readonly timeouts: Timeouts;
}

/** Outputs, without `__meta`. */
export type State = Properties & { readonly id: string };

export interface ResourceType {
  /** `alicloud:ecs/keyPair:KeyPair` */
  readonly token: string;
  readonly required: readonly string[];
  /** What Check adds where the program says nothing. */
  readonly defaults: Properties;
  /**
   * Outputs that the cloud may fill in: unknown in a preview, and no difference when the program
   * stops naming them.
   */
  readonly computed: readonly string[];
  /** A change of these needs a new resource. */
  readonly replaceOn: readonly string[];
  /** Undefined where the real provider keeps none for the type: it then takes 20 minutes. */
  readonly timeouts?: Timeouts;
  /** Every change makes a new one: the state keeps no time for updates. */
  readonly immutable?: true;
  /** A value that Check refuses, as a sentence by property. */
  check?(inputs: Properties): Readonly<Record<string, string>>;
  /** True where old and new differ without meaning anything. */
  same?(name: string, before: Value | undefined, after: Value, inputs: Properties): boolean;
  /**
   * Calls `created` as soon as there is something to delete: what fails later leaves a resource
   * that the state knows.
   */
  create(context: Context, inputs: Properties, created: (id: string) => void): Promise<State>;
  /** Undefined: it is gone. `before` is empty when a resource is imported. */
  read(context: Context, id: string, before: Properties): Promise<State | undefined>;
  update?(context: Context, id: string, before: Properties, inputs: Properties): Promise<State>;
  delete(context: Context, id: string, before: Properties): Promise<void>;
}

const MINUTE = 60_000;

export function minutes(create: number, update: number, remove: number): Timeouts {
  return { create: create * MINUTE, update: update * MINUTE, delete: remove * MINUTE };
}

export const defaultTimeouts = minutes(20, 20, 20);

/** The resource went away between its creation and the reading that follows. */
class VanishedError extends Error {
  override readonly name = 'VanishedError';

  constructor(id: string) {
    super(`Resource ${id} was created, and the cloud does not know it any more`);
  }
}

/** @throws VanishedError */
export function existing(state: State | undefined, id: string): State {
  if (state === undefined) throw new VanishedError(id);
  return state;
}
