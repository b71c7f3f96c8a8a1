/** config_exec: tells the runner where the job will live. stdout is for the answer alone. */
import { readHookContext } from '../src/gitlab/contract';
import { configure } from '../src/prepare/configure';
import { runHook } from '../src/hooks/run-hook';

void runHook(async ({ settings, variables }) => {
  const answer = configure(readHookContext(variables), settings, Date.now());
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
