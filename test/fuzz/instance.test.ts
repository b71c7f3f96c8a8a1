import fc from '../support/property';
import { ownedJob } from './owned-cases';
import { play } from './owned-job';
import { sideBySide } from './owned-workers';

test('jobs that own their instance end in order, and touch no other job, project, pool, spare or budget', async () => {
  const jobs = fc.sample(ownedJob, 12);
  const played = await sideBySide(jobs, 4, play);
  // Else the rest was not tried.
  expect(played.filter(({ isRunning }) => isRunning).length).toBeGreaterThan(1);
});
