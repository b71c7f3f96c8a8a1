/** A machine whose SSH server lives in this process. */
import { baseEnvironment, furnish, knownUsers, journal, layoutOf } from './layout';
import { finishBoot, prepareBoot } from './boot';
import type { Machine, MachineSpec } from './machine';
import { PipeFactory } from './pipes';
import { killMarked, markerOf } from './processes';
import { PublicPort } from './public-port';
import { SshServer } from './ssh-server';
import { mkdir } from 'node:fs/promises';

/** Starts the machine; resolves when its port answers. Boot commands of the user data may still run then, as on a real instance. */
export async function startSsh2Machine(spec: MachineSpec): Promise<Machine> {
  const layout = layoutOf(spec.directory);
  await mkdir(layout.root, { recursive: true, mode: 0o700 });
  const marker = markerOf(spec.directory);
  await killMarked(marker);
  await furnish(layout);
  const environment = await baseEnvironment(spec, layout, 'root');

  const reload = (): void =>
    void server.loadHostKeys().catch((error: Error) => journal(layout, `sshd: ${error.message}`));
  const boot = { spec, layout, marker, environment, onSshRestart: reload };
  const userData = await prepareBoot(boot);
  const server = new SshServer({
    spec,
    layout,
    marker,
    users: [...knownUsers(), ...userData.userNames],
    pipes: new PipeFactory(layout.run),
    environment: (user) => ({ ...environment, USER: user, LOGNAME: user }),
  });
  await server.loadHostKeys();
  const port = await PublicPort.listen(spec.address, spec.sshPort, (socket) => server.serve(socket));
  journal(layout, `sshd: listening on ${spec.address}:${spec.sshPort}`);
  void finishBoot(boot, userData);

  let killed: Promise<void> | undefined;
  return {
    spec,
    kill: () => (killed ??= port.close().then(() => killMarked(marker))),
    disconnect: async () => port.disconnect(),
    reconnect: async () => port.reconnect(),
    dropConnections: async () => port.dropConnections(),
  };
}
