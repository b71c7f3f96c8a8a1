/** Messages between a simulator and its instance host. */
import type { MachineKind, MachineSpec } from './machine';

export type HostRequest = { readonly id: number; readonly machine: number } & (
  | { readonly do: 'start'; readonly kind: MachineKind; readonly spec: MachineSpec }
  | { readonly do: 'kill' | 'disconnect' | 'reconnect' | 'dropConnections' }
);

export interface HostReply {
  readonly id: number;
  readonly error?: string;
  readonly count?: number | undefined;
}
