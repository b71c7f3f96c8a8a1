/** The kinds of machine, started in this process. */
import type { MachineKind, StartMachine, Machine, MachineSpec } from './machine';
import { startSsh2Machine } from './ssh2-machine';

const kinds: Readonly<Record<MachineKind, StartMachine>> = {
  ssh2: startSsh2Machine,
  sshd: () => Promise.reject(new Error('machines of kind sshd are not there yet')),
};

export function startMachineHere(kind: MachineKind, spec: MachineSpec): Promise<Machine> {
  return kinds[kind](spec);
}
