import { describeWithDocker } from '../../support/docker';
import { run, testMachine } from './support/machines';

describeWithDocker('an instance with a real docker daemon', (daemon) => {
  test('runs containers of an image imported from this machine, which find each other by name', async () => {
    await daemon.importImage('small:1');
    const instance = await testMachine('ssh2', { programs: { docker: { file: daemon.program } } });
    const client = await instance.connect();
    const commands = [
      'docker network create job',
      'docker run -d --name db --network job --network-alias postgres small:1 sleep 100',
      // Nothing listens there: an address that is found refuses, a name that is not found is
      // another message.
      'docker run --rm --network job small:1 bash -c "id -u; (echo > /dev/tcp/postgres/5432) 2>&1"',
    ];
    const { stdout } = await run(client, commands.join(' && '));
    expect(stdout).toMatch(/\n0\n(.*\n)*.*Connection refused/);
    await instance.dispose();
  });
});
