import { startMachine, type MachineKind, type StartMachine } from '../../sandbox/instance';

/** Instances whose image was changed by these commands, before anything else boots. */
export function imageWith(kind: MachineKind, commands: readonly string[]): StartMachine {
  const lines = commands.map((command) => `\n  - ${JSON.stringify(command)}`).join('');
  const start = startMachine(kind);
  return (spec) => start({ ...spec, userData: spec.userData.replace(/^bootcmd:$/m, `bootcmd:${lines}`) });
}
