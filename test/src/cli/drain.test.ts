import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { auditEntries } from '../../../src/audit/log';
import { drain, drainedSince, refuseWhileDrained } from '../../../src/jobs/drain';
import { RecordStore } from '../../../src/jobs/record-store';
import { gitlabSpot } from '../../support/cli';
import { wantsNone } from '../../../src/spares/drained';
import { preparingRecord } from '../../support/job-record';
import { testUnless } from '../../support/skip';
import { putSpare } from '../../support/spare';

let stateDir: string;
beforeEach(() => (stateDir = mkdtempSync(path.join(tmpdir(), 'drain-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const command = (...args: string[]) =>
  gitlabSpot(args, { PATH: process.env.PATH, HOME: '/nonexistent', GITLAB_SPOT_STATE_DIR: stateDir });

describe('a host that is drained', () => {
  test('refuses jobs in one sentence until that is undone, since the first time', () => {
    expect(() => refuseWhileDrained(stateDir)).not.toThrow();
    drain(stateDir, Date.parse('2026-11-24T12:00:00Z'));
    drain(stateDir, Date.parse('2026-11-25T12:00:00Z'));
    expect(() => refuseWhileDrained(stateDir)).toThrow('takes no new jobs since 2026-11-24T12:00:00.000Z');
  });

  test.each([
    ['is damaged', (file: string) => writeFileSync(file, '')],
    // As root's is for the runner's user: `sudo gitlab-spot drain`.
    ['can’t be read', (file: string) => mkdirSync(file)],
  ])('refuses jobs also where its file %s, since that was written', (_why, write) => {
    write(path.join(stateDir, 'drain.json'));
    expect(() => refuseWhileDrained(stateDir)).toThrow(
      `takes no new jobs since ${new Date().toISOString().slice(0, 4)}`,
    );
  });

  test('wants no spare machine, and waits for those that are left by their own name', async () => {
    expect(wantsNone({ stateDir })).toBe(false);
    putSpare(new RecordStore(stateDir));
    const { stderr } = await command('drain', '--wait', '1s');
    expect(stderr).toContain('Waiting for 1 spare machine, which the reaper’s next round ends (limit 1s)');
    expect(wantsNone({ stateDir })).toBe(true);
  });

  test('is waited for as the command says, and named where that is too long', async () => {
    const store = new RecordStore(stateDir);
    store.write(preparingRecord());
    const late = await command('drain', '--wait', '1s');
    expect(late).toMatchObject({ exitCode: 1, stdout: '' });
    expect(late.stderr).toContain('Waiting for 1 job that runs (limit 1s)');
    expect(late.stderr).toContain('Not drained within 1s: 1 job that runs. The host stays drained');
    store.remove(preparingRecord().identity.stackName);
    expect(await command('drain')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('no job runs here') as string,
    });
    expect(await command('drain', '--undo')).toMatchObject({ exitCode: 0 });
    expect(drainedSince(stateDir)).toBeUndefined();
    expect(auditEntries(stateDir).map(({ action }) => action)).toEqual(['drain', 'drain', 'drain undone']);
    const { stdout } = await command('audit', '--json');
    expect(JSON.parse(stdout)).toHaveLength(3);
    expect((await command('audit')).stdout).toMatch(/drain undone/);
  });

  testUnless(
    process.getuid?.() === 0 ? undefined : 'it is not run as root',
    'by root leaves nothing of root’s in the state folder, which the runner’s user works with, also behind a link',
    async () => {
      chownSync(stateDir, 4711, 4712);
      expect(await command('drain')).toMatchObject({ exitCode: 0 });
      writeFileSync(path.join(stateDir, 'left'), '');
      const folder = stateDir;
      symlinkSync(folder, (stateDir = `${folder}.link`));
      // Reads its settings itself.
      await command('doctor');
      for (const name of ['drain.json', 'log', 'log/audit.jsonl', 'left'])
        expect(statSync(path.join(folder, name))).toMatchObject({ uid: 4711, gid: 4712 });
      rmSync(folder, { recursive: true });
    },
  );
});
