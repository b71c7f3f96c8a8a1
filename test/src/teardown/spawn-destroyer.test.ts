import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { trySlot } from '../../../src/host/queue';
import { destroyerQueue } from '../../../src/host/slots';
import { destroyerStarted, spawnDestroyer } from '../../../src/teardown/spawn-destroyer';
import { readSettings } from '../../../src/settings/settings';

/** A destroyer that only tells that it was started, and with which variables. */
let directory: string;
let program: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'spawn-'));
  program = path.join(directory, 'destroyer.js');
  writeFileSync(
    program,
    `require('node:fs').appendFileSync(${JSON.stringify(path.join(directory, 'started'))}, JSON.stringify(process.env) + '\\n')`,
  );
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const stateDir = () => path.join(directory, 'state');
const settings = (more: Record<string, string> = {}) =>
  readSettings({ GITLAB_SPOT_ENV_FILE: '', GITLAB_SPOT_STATE_DIR: stateDir(), ...more }, { cloud: false });

async function started(count: number): Promise<Record<string, string>[]> {
  const file = path.join(directory, 'started');
  // Whole lines: the last one may be half written.
  const lines = () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []);
  while (lines().length < count) await sleep(10);
  return lines().map((line) => JSON.parse(line) as Record<string, string>);
}

describe('starting the destroyer', () => {
  test('many cleanups at once start one', async () => {
    for (let cleanup = 0; cleanup < 5; cleanup++) spawnDestroyer(settings(), { program, variables: {} });
    await started(1);
    // Time enough for the others, had there been any.
    await sleep(300);
    expect(await started(1)).toHaveLength(1);
  });

  test('one that died as it started does not keep the next from starting for long', async () => {
    spawnDestroyer(settings(), { program, variables: {} });
    await started(1);
    const longAgo = new Date(Date.now() - 11_000);
    utimesSync(path.join(stateDir(), 'slots', 'destroyer-starts'), longAgo, longAgo);
    spawnDestroyer(settings(), { program, variables: {} });
    expect(await started(2)).toHaveLength(2);
  });

  test('one that died as it started does not hold others back where the clock was set back since', async () => {
    spawnDestroyer(settings(), { program, variables: {} });
    await started(1);
    const later = new Date(Date.now() + 3_600_000);
    utimesSync(path.join(stateDir(), 'slots', 'destroyer-starts'), later, later);
    spawnDestroyer(settings(), { program, variables: {} });
    expect(await started(2)).toHaveLength(2);
  });

  test('one that has started is told by its place', async () => {
    spawnDestroyer(settings(), { program, variables: {} });
    await started(1);
    const place = trySlot(destroyerQueue(settings()))!;
    destroyerStarted(settings());
    spawnDestroyer(settings(), { program, variables: {} });
    place.release();
    spawnDestroyer(settings(), { program, variables: {} });
    expect(await started(2)).toHaveLength(2);
  });

  test('it gets the host’s variables without the job’s, and reads the env file itself', async () => {
    const file = path.join(directory, 'env');
    writeFileSync(file, 'ALICLOUD_REGION=cn-hangzhou\n', { mode: 0o600 });
    const variables = {
      GITLAB_SPOT_ENV_FILE: file,
      CUSTOM_ENV_CI_JOB_ID: '1',
      GITLAB_SPOT_ATTEMPT: '1',
      HTTPS_PROXY: 'http://p',
    };
    spawnDestroyer(settings({ GITLAB_SPOT_ENV_FILE: file }), { program, variables });
    const [environment] = await started(1);
    expect(environment).toMatchObject({
      GITLAB_SPOT_ENV_FILE: file,
      GITLAB_SPOT_STATE_DIR: stateDir(),
      HTTPS_PROXY: 'http://p',
    });
    for (const name of ['CUSTOM_ENV_CI_JOB_ID', 'GITLAB_SPOT_ATTEMPT', 'ALICLOUD_REGION'])
      expect(environment).not.toHaveProperty(name);
  });
});
