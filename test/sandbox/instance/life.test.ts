import { markedProcesses, markerOf } from '../../../sandbox/instance/processes';
import { exec, run, testMachine } from './support/machines';

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
    expect(before).toHaveLength(1);

    const second = await testMachine('ssh2', { directory });
    expect(markedProcesses(markerOf(directory))).toEqual([]);
    expect(await run(await second.connect(), 'cat $HOME/file')).toMatchObject({ stdout: 'kept\n' });
    await second.dispose();
    await first.dispose();
  });
});
