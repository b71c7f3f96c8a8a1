/**
 * up.js STACK: started by prepare, brings the job's stack up for it, and continues when prepare
 * leaves. Takes requests from prepare alone, over the pipe between them.
 */
import { keysBesideUp } from '../src/composition/keys';
import { createUp, expectUp } from '../src/engine';
import { serveUps } from '../src/engine/serve-up';
import type { ToUp } from '../src/engine/up-messages';
import { runHook } from '../src/hooks/run-hook';
import { acceptedQueue } from '../src/host/slots';
import { UpSlot } from '../src/host/up-slot';
import { jobFiles } from '../src/jobs/files';

void runHook(async ({ settings, signal }) => {
  const keys = keysBesideUp(settings);
  const endedWell = await serveUps(
    {
      tell: (message) => void (process.connected && process.send!(message, () => undefined)),
      onMessage: (listener) => process.on('message', (message) => listener(message as ToUp)),
      onGone: (listener) => (process.connected ? process.once('disconnect', listener) : listener()),
    },
    {
      up: createUp(settings),
      expect: () => expectUp(settings),
      place: (creating) => {
        const slot = new UpSlot(creating, acceptedQueue(settings));
        return { accepted: () => (slot.accepted(), keys.begin()), release: () => slot.release() };
      },
      directory: jobFiles(settings.stateDir, process.argv[2] ?? '').engine,
      signal,
    },
  );
  await keys.end();
  return endedWell ? 0 : 1;
});
