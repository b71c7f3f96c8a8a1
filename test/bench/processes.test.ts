import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Watch } from '../../bench/processes';

const MARKER = 'BENCH_TEST_MARKER';

function node(script: string, marker: string) {
  return once(spawn(process.execPath, ['-e', script], { env: { [MARKER]: marker }, stdio: 'ignore' }), 'exit');
}

describe('what processes use', () => {
  test('counts those with the marker and their children, also when they have long ended, and nobody else', async () => {
    const marker = `${process.pid}-a`;
    const watch = new Watch(`${MARKER}=${marker}`);
    // What the last look before its end did not see is lost: half of it would be too much.
    const spin = 'const end = Date.now() + 20_000; while (process.cpuUsage().user < 500_000 && Date.now() < end);';
    await Promise.all([
      node(spin, marker),
      node(`require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(spin)}])`, marker),
    ]);
    const used = await watch.stop();
    expect(used.processes).toBe(3);
    expect(used.cpuSeconds).toBeGreaterThan(0.6);
    expect(used.peakRssMiB).toBeGreaterThan(30);
    const nobody = new Watch(`${MARKER}=${process.pid}-b`);
    await node('0', marker);
    expect(await nobody.stop()).toMatchObject({ processes: 0, peakRssMiB: 0 });
  });

  test('counts the child of a process that nobody waits for, where both end between two looks', async () => {
    const marker = `${process.pid}-c`;
    const watch = new Watch(`${MARKER}=${marker}`, { lookMs: 400 });
    // Seen for a second, and known to its parent only when both are over.
    const spin = 'const end = Date.now() + 20_000; while (process.cpuUsage().user < 1_200_000 && Date.now() < end);';
    const parent = `require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(spin)}])`;
    const leave = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(parent)}], { detached: true, stdio: ['ignore', 'inherit', 'ignore'] }).unref()`;
    const starter = spawn(process.execPath, ['-e', leave], {
      env: { [MARKER]: marker },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // Open as long as one of them has it.
    await once(starter.stdout.resume(), 'close');
    const { cpuSeconds } = await watch.stop();
    expect(cpuSeconds).toBeGreaterThan(0.5);
  });
});
