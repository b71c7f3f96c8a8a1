import { existsSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describeEachServer, startServer } from '../../support/ssh/servers';
import { Seeded } from '../../support/seeded';
import { startFaultProxy } from '../../support/ssh/fault-proxy';
import { runStage, startStage } from '../../support/ssh/stages';
import { connect, installSupervisor, InstanceUnreachable } from '../../../src/ssh';

const SUPERVISOR_SIZE = statSync(path.resolve(__dirname, '../../../src/ssh/supervisor.sh')).size;

/** `npm run test:faults` asks for 200 cuts; FAULT_SEED for other moments. */
const CUTS = Number(process.env['FAULT_CUTS'] ?? 12);
const CUTS_A_STAGE = 4;
const random = new Seeded(Number(process.env['FAULT_SEED'] ?? 1));
/** Both directions together. A login is 4 to 5 KB; the script, where it is sent, 80 KB more. */
const LOGIN_BYTES = 5_000;
const ALL_BYTES = 100_000;

describeEachServer('the connection over', (kind) => {
  it(
    `is cut ${CUTS} times at random moments: no line lost, doubled or out of order, and the right exit status`,
    async () => {
      const server = await startServer(kind);
      const proxy = await startFaultProxy(server.target);
      let cuts = 0;
      for (let round = 0; cuts < CUTS; round++) {
        const lines = 4000;
        const exitCode = round % 256;
        const script = `i=0; while [ $i -lt ${lines} ]; do echo "line $i of round ${round}"; i=$((i+1)); [ $((i % 40)) = 0 ] && sleep 0.01; done; exit ${exitCode}`;
        const stage = startStage(proxy.target, script, { keepaliveMs: 500 });
        let ended = false;
        const cutting = (async () => {
          for (let cut = 0; cut < CUTS_A_STAGE && !ended; cut++) {
            await new Promise((resolve) => setTimeout(resolve, random.integer(0, 300)));
            if (!ended) cuts += proxy.cut();
          }
        })();
        const outcome = await stage.outcome;
        ended = true;
        await cutting;
        expect(stage.log.text).toBe(
          Array.from({ length: lines }, (_, index) => `line ${index} of round ${round}\n`).join(''),
        );
        expect(outcome).toMatchObject({ exitCode });
      }
      await proxy.stop();
      await server.stop();
    },
    CUTS * 10_000 + 60_000,
  );

  it(
    `is cut ${CUTS} times while it is made, logs in, sends the script or resumes: the stage runs once, and whole`,
    async () => {
      const server = await startServer(kind);
      const proxy = await startFaultProxy(server.target);
      const padding = `# ${'x'.repeat(78)}\n`.repeat(1000);
      let planned = 0;
      for (let cuts = 0, round = 0; cuts < CUTS; cuts += CUTS_A_STAGE, round++) {
        // In turns in the login and after it.
        proxy.cutEarly(CUTS_A_STAGE, () =>
          planned++ % 2 === 0 ? random.integer(0, LOGIN_BYTES - 1) : random.integer(LOGIN_BYTES, ALL_BYTES),
        );
        const lines = 200;
        const exitCode = round % 256;
        const script = `${padding}echo ran >>$HOME/runs-${round}; i=0; while [ $i -lt ${lines} ]; do echo "line $i of round ${round}"; i=$((i+1)); [ $((i % 20)) = 0 ] && sleep 0.05; done; wc -l <$HOME/runs-${round}; exit ${exitCode}`;
        const stage = startStage(proxy.target, script, { keepaliveMs: 500 });
        await expect(stage.outcome).resolves.toMatchObject({ exitCode });
        const all = Array.from({ length: lines }, (_, index) => `line ${index} of round ${round}\n`).join('');
        expect(stage.log.text.replace(/ +/g, ' ')).toBe(`${all}1\n`);
        cuts -= proxy.earlyCutsLeft();
        proxy.cutEarly(0, () => 0);
      }
      expect(proxy.earlyCuts().filter((bytes) => bytes < LOGIN_BYTES).length).toBeGreaterThan(CUTS / 4);
      await proxy.stop();
      await server.stop();
    },
    CUTS * 10_000 + 60_000,
  );

  it('is cut while the supervisor is put onto the instance: half of one never lies there', async () => {
    const server = await startServer(kind);
    const proxy = await startFaultProxy(server.target);
    const folder = path.join(server.home, '.gitlab-spot');
    let interrupted = 0;
    for (let bytes = 5_000; bytes < 16_000; bytes += 1_000) {
      // The shell behind the connection that was cut last may still be writing there.
      if (existsSync(folder)) renameSync(folder, `${folder}.before-${bytes}`);
      proxy.cutEarly(1, () => bytes);
      const connection = await connect(proxy.target).catch(() => undefined);
      if (connection) await installSupervisor(connection).catch(() => interrupted++);
      connection?.close();
      const files = existsSync(folder) ? readdirSync(folder).filter((name) => /^gs-\w+$/.test(name)) : [];
      for (const file of files)
        expect([bytes, statSync(path.join(folder, file)).size]).toEqual([bytes, SUPERVISOR_SIZE]);
    }
    expect(interrupted).toBeGreaterThan(3);
    await proxy.stop();
    await server.stop();
  });

  it('is cut each time the supervisor is put onto the instance, and at last not: the stage runs', async () => {
    const server = await startServer(kind);
    const proxy = await startFaultProxy(server.target);
    proxy.cutEarly(6, () => 12_000);
    const { outcome } = startStage(proxy.target, 'exit 7', { keepaliveMs: 500 });
    await expect(outcome).resolves.toEqual({ kind: 'exited', exitCode: 7 });
    expect(proxy.earlyCutsLeft()).toBe(0);
    await proxy.stop();
    await server.stop();
  });

  it('freezes in the middle of a silent script and comes back: the stage goes on at the byte', async () => {
    const server = await startServer(kind);
    const proxy = await startFaultProxy(server.target);
    const stage = startStage(proxy.target, 'echo before; sleep 1.5; echo after; exit 9', { keepaliveMs: 100 });
    await stage.log.contains('before');
    proxy.freeze();
    await new Promise((resolve) => setTimeout(resolve, 800));
    proxy.cut();
    proxy.thaw();
    await expect(stage.outcome).resolves.toEqual({ kind: 'exited', exitCode: 9 });
    expect(stage.log.text).toBe('before\nafter\n');
    await proxy.stop();
    await server.stop();
  });

  it('never comes back: the instance counts as unreachable at the limit', async () => {
    const server = await startServer(kind);
    const proxy = await startFaultProxy(server.target);
    const reconnectMs = 900;
    const stage = startStage(proxy.target, 'echo before; until [ -e go ]; do sleep 0.05; done; echo later; sleep 30', {
      keepaliveMs: 100,
      request: { reconnectMs },
    });
    await stage.log.contains('before');
    const beforeMs = Date.now();
    writeFileSync(path.join(server.home, 'go'), '');
    await stage.log.contains('later');
    proxy.freeze();
    const error = await stage.outcome.then(
      () => undefined,
      (reason: unknown) => reason as InstanceUnreachable,
    );
    expect(error).toBeInstanceOf(InstanceUnreachable);
    expect(error!.message).toMatch(/has not answered for 1 s/);
    // Until then it lived, and was billed.
    expect(error!.heardMs).toBeGreaterThanOrEqual(beforeMs);
    expect(error!.heardMs).toBeLessThanOrEqual(Date.now() - reconnectMs);
    await proxy.stop();
    await server.stop();
  });

  it('is gone with its machine: known from the cloud long before the limit', async () => {
    const server = await startServer(kind);
    const proxy = await startFaultProxy(server.target);
    let asked = 0;
    const stage = startStage(proxy.target, 'echo before; sleep 30', {
      keepaliveMs: 100,
      askMs: 50,
      request: { reconnectMs: 60_000, isLost: () => Promise.resolve(++asked >= 2) },
    });
    await stage.log.contains('before');
    proxy.refuse(true);
    proxy.cut();
    await expect(stage.outcome).rejects.toThrow(/is gone/);
    expect(asked).toBe(2);
    await proxy.stop();
    await server.stop();
  });

  it('is slow at the login: no reason to ask the cloud', async () => {
    const server = await startServer(kind);
    const proxy = await startFaultProxy(server.target);
    const isLost = jest.fn(() => Promise.resolve(false));
    proxy.freeze();
    const stage = startStage(proxy.target, 'exit 4', { askMs: 50, request: { isLost } });
    await new Promise((resolve) => setTimeout(resolve, 500));
    proxy.thaw();
    await expect(stage.outcome).resolves.toEqual({ kind: 'exited', exitCode: 4 });
    expect(isLost).not.toHaveBeenCalled();
    await proxy.stop();
    await server.stop();
  });

  it('is cut while the stage is being cancelled: the session is ended all the same', async () => {
    const server = await startServer(kind);
    const proxy = await startFaultProxy(server.target);
    const stage = startStage(proxy.target, `trap '' HUP INT TERM; echo started; while :; do sleep 0.1; done`, {
      graceMs: 1000,
    });
    await stage.log.contains('started');
    proxy.refuse(true);
    proxy.cut();
    stage.cancel();
    await new Promise((resolve) => setTimeout(resolve, 200));
    proxy.refuse(false);
    await expect(stage.outcome).resolves.toEqual({ kind: 'cancelled' });
    const after = await runStage(server.target, 'ls ~/.gitlab-spot/runs/*/out | wc -l');
    expect(after.log.text.trim()).toBe('1');
    await proxy.stop();
    await server.stop();
  });

  if (kind === 'sshd') {
    it('outlasts a restart of sshd by the script, and is made anew for the next stage', async () => {
      const server = await startServer(kind);
      // By its own configuration's path, so that no other sshd is meant; grep doesn't find itself.
      // That it missed one that has just ended says nothing.
      const script = [
        'daemon=$(grep -ls "$(cd ~/.. && pwd)/sshd_[c]onfig" /proc/[0-9]*/cmdline); [ -d "${daemon%/cmdline}" ] || exit 9',
        'daemon=${daemon#/proc/}; kill -HUP "${daemon%/cmdline}"; echo restarted; sleep 0.5; echo on; exit 3',
      ].join('\n');
      const { outcome, log } = await runStage(server.target, script);
      expect(log.text).toBe('restarted\non\n');
      expect(outcome).toEqual({ kind: 'exited', exitCode: 3 });
      expect((await runStage(server.target, 'echo next')).log.text).toBe('next\n');
      await server.stop();
    });
  }
});
