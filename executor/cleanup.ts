/** cleanup_exec: lets the job's instance go, and everything made with it. */
import path from 'node:path';
import { readHookContext } from '../src/gitlab/contract';
import { RecordStore } from '../src/job/record-store';
import { recordIntent } from '../src/lifecycle/clean-up';
import { runHook } from '../src/lifecycle/hook';
import { spawnDestroyer } from '../src/lifecycle/spawn-destroyer';
import { readSettings } from '../src/settings/settings';

void runHook(async ({ variables }) => {
  const settings = readSettings(variables);
  const store = new RecordStore(settings.stateDir);
  const status = variables.CUSTOM_ENV_CI_JOB_STATUS;
  const stacks = recordIntent(readHookContext(variables), { settings, store, now: Date.now, status });
  if (stacks.length === 0) return;
  if (settings.cleanup === 'detached') return spawnDestroyer(settings, path.join(__dirname, 'destroyer.js'));
  const { destroyNow } = await import('../src/lifecycle/destroy-now');
  await destroyNow(stacks, settings);
});
