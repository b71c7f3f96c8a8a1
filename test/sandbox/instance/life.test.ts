import { markedProcesses, markerOf } from '../../../sandbox/instance/processes';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { exec, login, run, testMachine } from './support/machines';

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/**
 * The processes of ours in which instances live: one, and perhaps an earlier one that is about to
 * end.
 */
function hostProcesses(): readonly number[] {
  const isOurs = (pid: number): boolean =>
    commandLine(pid).includes('instance-host.js') &&
    readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[1] === String(process.pid);
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(isOurs);
  if (found.length === 0) throw new Error('no process holds the instances');
  return found;
}

describe('the life of an instance', () => {
  test('kill ends every process, also one that left session, parent, environment and streams behind', async () => {
    const instance = await testMachine('ssh2');
    const client = await instance.connect();
    const escape = 'setsid env -i /bin/sh -c "cd /; exec sleep 1000" < /dev/null > /dev/null 2>&1 & echo started';
    await (await exec(client, `${escape}; sleep 1000`)).saw('started');
    const marker = markerOf(instance.spec.directory);
    expect(markedProcesses(marker).length).toBeGreaterThanOrEqual(2);

    await instance.machine.kill();
    expect(markedProcesses(marker)).toEqual([]);
    await instance.machine.kill();
    await instance.dispose();
  });

  test('a new life of the same directory ends what the earlier one left running, and keeps the files', async () => {
    const first = await testMachine('ssh2');
    const client = await first.connect();
    await run(client, 'echo kept > $HOME/file; setsid sleep 1000 < /dev/null > /dev/null 2>&1 &');
    const { directory } = first.spec;
    const before = markedProcesses(markerOf(directory));
    expect(before.filter((pid) => commandLine(pid) === 'sleep 1000 ')).toHaveLength(1);

    const second = await testMachine('ssh2', { directory });
    expect(markedProcesses(markerOf(directory)).filter((pid) => before.includes(pid))).toEqual([]);
    expect(await run(await second.connect(), 'cat $HOME/file')).toMatchObject({ stdout: 'kept\n' });
    await second.dispose();
    await first.dispose();
  });

  test('the death of the simulator ends its instances', async () => {
    // What a simulator does, by hand: its channel to the host process closes when it dies.
    const other = await testMachine('ssh2');
    await other.machine.kill();
    const host = fork(path.resolve(__dirname, '../../../dist/sandbox/instance-host.js'), [], {
      detached: true,
      execArgv: [],
    });
    host.send({ id: 1, machine: 1, do: 'start', kind: 'ssh2', spec: other.spec });
    await once(host, 'message');
    const client = await login(other.spec, { privateKey: other.privateKey });
    await (await exec(client, 'setsid sleep 1000 & echo started')).saw('started');
    const marker = markerOf(other.spec.directory);
    expect(markedProcesses(marker)).not.toEqual([]);

    host.disconnect();
    await once(host, 'exit');
    expect(markedProcesses(marker)).toEqual([]);
    await other.dispose();
  });

  test('the death of the host process is told, and a new one starts with the next instance', async () => {
    const first = await testMachine('ssh2');
    for (const pid of hostProcesses()) process.kill(pid, 'SIGKILL');
    await expect(first.machine.dropConnections()).rejects.toThrow('the process that holds the instances has ended');
    await first.machine.kill();
    const second = await testMachine('ssh2');
    expect(await run(await second.connect(), 'echo up')).toMatchObject({ stdout: 'up\n' });
    await second.dispose();
    await first.dispose();
  });

  test('thirty instances start, work and end at once', async () => {
    const instances = await Promise.all(Array.from({ length: 30 }, () => testMachine('ssh2')));
    const outputs = await Promise.all(
      instances.map(
        async (instance) =>
          (await run(await instance.connect(), 'echo $HOME; sleep 1000 < /dev/null > /dev/null 2>&1 &')).stdout,
      ),
    );
    expect(outputs).toEqual(instances.map(({ spec }) => `${spec.directory}/root/root\n`));
    await Promise.all(instances.map(({ machine }) => machine.kill()));
    expect(instances.flatMap(({ spec }) => markedProcesses(markerOf(spec.directory)))).toEqual([]);
    await Promise.all(instances.map((instance) => instance.dispose()));
  });

  test('a port that is taken is one clear sentence', async () => {
    const first = await testMachine('ssh2');
    const { address, sshPort } = first.spec;
    await expect(testMachine('ssh2', { address, sshPort })).rejects.toThrow(/EADDRINUSE/);
    await first.dispose();
  });
});
