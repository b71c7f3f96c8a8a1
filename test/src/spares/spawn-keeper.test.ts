import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readSettings } from '../../../src/settings/settings';
import { keepAfter } from '../../../src/spares/spawn-keeper';
import { spareProfile } from '../../support/spare';

let stateDir: string;
beforeEach(() => (stateDir = mkdtempSync(path.join(os.tmpdir(), 'spawn-keeper-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

test('a host that can start no keeper says so to the job, which has its machine and goes on', () => {
  // Another user's folder, say: root reads all of them.
  mkdirSync(path.join(stateDir, 'slots'));
  writeFileSync(path.join(stateDir, 'slots/keeper'), '');
  const profile = spareProfile();
  const warnings: string[] = [];
  keepAfter(
    profile,
    { default: profile.name, profiles: { [profile.name]: profile } },
    readSettings({ GITLAB_SPOT_ENV_FILE: '', GITLAB_SPOT_STATE_DIR: stateDir }, { cloud: false }),
    { folder: stateDir, variables: {}, log: { warn: (line) => void warnings.push(line) } },
  );
  expect(warnings).toEqual([expect.stringMatching(/keeper of spare machines can't be started.*slots\/keeper/)]);
});
