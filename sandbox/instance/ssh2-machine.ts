/** A machine whose SSH server lives in this process. */
import { finishBoot, prepareBoot } from './boot';
import { prepareMachine } from './context';
import { journal, knownUsers } from './layout';
import type { Machine, MachineSpec } from './machine';
import { PipeFactory } from './pipes';
import { machineBehind, PublicPort } from './public-port';
import { SshServer } from './ssh-server';

/**
 * Starts the machine; resolves when its port answers. Boot commands of the user data may still run
 * then, as on a real instance.
 */
export async function startSsh2Machine(spec: MachineSpec): Promise<Machine> {
  const context = await prepareMachine(spec, 'root');
  const { layout, marker } = context;

  const reload = (): void =>
    void server.loadHostKeys().catch((error: Error) => journal(layout, `sshd: ${error.message}`));
  const boot = { ...context, onSshRestart: reload };
  const userData = await prepareBoot(boot);
  const server = new SshServer({
    ...context,
    users: [...knownUsers(), ...userData.userNames],
    pipes: new PipeFactory(layout.run),
  });
  await server.loadHostKeys();
  const port = await PublicPort.listen(spec.address, spec.sshPort, (socket) => server.serve(socket));
  journal(layout, `sshd: listening on ${spec.address}:${spec.sshPort}`);
  void finishBoot(boot, userData);
  return machineBehind(port, spec, marker);
}
