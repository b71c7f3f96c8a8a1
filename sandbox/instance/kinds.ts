/** The kinds of machine, started in this process. */
import type { MachineKind, StartMachine, Machine, MachineSpec } from './machine';
import { startSsh2Machine } from './ssh2-machine';
import { startSshdMachine } from './sshd-machine';

const kinds: Readonly<Record<MachineKind, StartMachine>> = {
  ssh2: startSsh2Machine,
  sshd: startSshdMachine,
};

export function startMachineHere(kind: MachineKind, spec: MachineSpec): Promise<Machine> {
  return kinds[kind](spec);
}
