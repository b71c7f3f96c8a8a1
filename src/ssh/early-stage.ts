import { setImmediate as turn } from 'node:timers/promises';
import { beginConnection } from './begin';
import type { StageRunner } from './types';

/**
 * Runs stages as `createStageRunner` does. sshd takes 10 to 20 ms to greet whoever connects: in that
 * time the SSH client is loaded.
 */
export const earlyStageRunner: StageRunner = {
  run: async (request) => {
    const begun = beginConnection(request.target);
    // Node connects at the end of its turn.
    await turn();
    const { createStageRunner } = await import('./stage');
    return await createStageRunner({ begun }).run(request);
  },
};
