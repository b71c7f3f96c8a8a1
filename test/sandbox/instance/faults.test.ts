import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { exec, login, run, testMachine, type TestMachine } from './support/machines';
import { describeEachKind } from './support/kinds';

/** Writes numbered lines to its output and to a file until a file `stop` is there. */
const counter = 'i=0; until [ -e $HOME/stop ]; do i=$((i+1)); echo $i; echo $i >> $HOME/lines; sleep 0.01; done';

describeEachKind('an instance behind a bad network', (kind) => {
  let instance: TestMachine;
  beforeEach(async () => void (instance = await testMachine(kind)));
  afterEach(() => instance.dispose());

  const written = async (): Promise<number> => {
    const text = await readFile(path.join(instance.spec.directory, 'root/root/lines'), 'utf8').catch(() => '');
    return text.split('\n').length - 1;
  };
  const linesMore = async (more: number): Promise<void> => {
    for (const enough = (await written()) + more; (await written()) < enough;) await delay(5);
  };

  test('passes nothing while it is cut, closes nothing, and loses nothing', async () => {
    const client = await instance.connect();
    const command = await exec(client, counter);
    await command.saw('10\n');

    await instance.machine.disconnect();
    await linesMore(10);
    const whenCut = command.stdout();
    await linesMore(20);
    expect(command.stdout()).toBe(whenCut);

    await instance.machine.reconnect();
    await command.saw(`\n${await written()}\n`);
    await run(client, 'touch $HOME/stop');
    const { stdout, code } = await command.outcome;
    expect(code).toBe(0);
    expect(stdout).toBe(Array.from({ length: await written() }, (_, i) => `${i + 1}\n`).join(''));
  });

  test('lets nobody log in while it is cut, and does afterwards', async () => {
    await instance.machine.disconnect();
    await expect(login(instance.spec, { privateKey: instance.privateKey, readyTimeout: 300 })).rejects.toThrow(
      /Timed out/,
    );
    const waiting = instance.connect();
    await instance.machine.reconnect();
    expect(await run(await waiting, 'echo in')).toMatchObject({ stdout: 'in\n' });
  });

  test('resets open connections once; the server goes on', async () => {
    const client = await instance.connect();
    const command = await exec(client, counter);
    await command.saw('3\n');
    expect(await instance.machine.dropConnections()).toBe(1);
    expect(await command.outcome).toMatchObject({ code: null });
    expect(await run(await instance.connect(), 'touch $HOME/stop; echo there')).toMatchObject({ stdout: 'there\n' });
  });

  test('can be killed while it is cut', async () => {
    const client = await instance.connect();
    await (await exec(client, counter)).saw('1\n');
    await instance.machine.disconnect();
    await instance.machine.kill();
    await expect(login(instance.spec, { privateKey: instance.privateKey })).rejects.toThrow(/ECONNREFUSED/);
  });
});
