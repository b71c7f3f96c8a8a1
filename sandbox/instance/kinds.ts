/** The kinds of machine, started in this process. */
import { existsSync } from 'node:fs';
import type { MachineKind, StartMachine, Machine, MachineSpec } from './machine';
import { killMarked, markerOf } from './processes';
import { startSsh2Machine } from './ssh2-machine';
import { startSshdMachine } from './sshd-machine';

const kinds: Readonly<Record<MachineKind, StartMachine>> = {
  ssh2: startSsh2Machine,
  sshd: startSshdMachine,
};

/** Starts a machine; one that doesn't come up leaves no process behind. */
export async function startMachineHere(kind: MachineKind, spec: MachineSpec): Promise<Machine> {
  try {
    return await kinds[kind](spec);
  } catch (error) {
    if (existsSync(spec.directory)) await killMarked(markerOf(spec.directory));
    throw error;
  }
}
