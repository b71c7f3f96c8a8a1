/**
 * `pulumi-resource-alicloud [ENGINE_ADDRESS]`: a stand-in for the real provider.
 *
 * Prints its port on the first line of stdout and serves until it is ended, as the real one does.
 * Started without an engine's address it can be shared: `PULUMI_DEBUG_PROVIDERS=alicloud:PORT`.
 * `SANDBOX_PROVIDER_SLEEPS` shortens its pauses (sleeps.ts).
 */
import net from 'node:net';
import { engineLog } from './engine-log';
import { PROVIDER_VERSION } from './provider';
import { parseSleeps, SLEEPS_VARIABLE } from './sleeps';
import { serve } from './server';

/**
 * The real provider outlives a killed CLI for good. This one gives up at last, so that crash tests
 * don't fill a machine.
 */
const ORPHAN_MS = 15 * 60_000;
const LOOK_EVERY_MS = 30_000;

async function main(): Promise<void> {
  // As the bridge that the real one is built with has it.
  if (/^--?version$/.test(process.argv[2] ?? '')) return void process.stdout.write(`${PROVIDER_VERSION}\n`);
  parseSleeps(process.env[SLEEPS_VARIABLE]);
  const engine = process.argv[2]?.includes(':') ? process.argv[2] : undefined;
  const { port } = await serve({ env: process.env, ...(engine ? { log: engineLog(engine) } : {}) });
  process.stdout.write(`${port}\n`);
  // An engine that is gone must not end the work under way through a broken pipe.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  if (engine) exitWhenForgotten(engine);
}

function exitWhenForgotten(engine: string): void {
  let lastSeen = performance.now();
  setInterval(() => {
    const socket = net.connect(Number(engine.split(':').at(-1)), '127.0.0.1');
    socket.on('connect', () => {
      lastSeen = performance.now();
      socket.destroy();
    });
    socket.on('error', () => {
      if (performance.now() - lastSeen > ORPHAN_MS) process.exit(0);
    });
  }, LOOK_EVERY_MS).unref();
}

main().catch((error: unknown) => {
  process.stderr.write(`pulumi-resource-alicloud: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
