/**
 * The process in which all machines of one simulator live: their traffic doesn't slow the API down,
 * and when the simulator dies, however it dies, this process notices that the channel to it is
 * gone, ends every process of every machine, and itself.
 */
import { startMachineHere } from './kinds';
import type { Machine } from './machine';
import type { HostReply, HostRequest } from './host-protocol';

const machines = new Map<number, Machine>();

async function answer(request: HostRequest): Promise<number | undefined> {
  if (request.do === 'start') {
    machines.set(request.machine, await startMachineHere(request.kind, request.spec));
    return undefined;
  }
  const machine = machines.get(request.machine);
  if (machine === undefined) return undefined;
  if (request.do === 'dropConnections') return machine.dropConnections();
  if (request.do === 'kill') machines.delete(request.machine);
  return void (await machine[request.do]());
}

process.on('message', (request: HostRequest) => {
  const send = (reply: HostReply): void => void (process.connected && process.send?.(reply));
  answer(request).then(
    (count) => send({ id: request.id, count }),
    (error: Error) => send({ id: request.id, error: error.message }),
  );
});

process.on('disconnect', () => {
  void Promise.allSettled([...machines.values()].map((machine) => machine.kill())).then(() => process.exit(0));
});
// A Ctrl-C at the terminal is for the simulator, which ends us when it is done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
