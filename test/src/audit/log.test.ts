import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { audit, auditBudget, auditEntries } from '../../../src/audit/log';

let stateDir: string;
beforeEach(() => (stateDir = mkdtempSync(path.join(tmpdir(), 'audit-'))));
afterEach(() => rmSync(stateDir, { recursive: true }));

const file = () => path.join(stateDir, 'log', 'audit.jsonl');

describe('the audit log', () => {
  test('says who did what to what, and is its owner’s alone', () => {
    expect(audit(stateDir, { action: 'jobs rm', target: 'job-g-7-1', detail: 'running' }, { SUDO_USER: 'li' })).toBe(
      true,
    );
    audit(stateDir, { action: 'ssh', target: 'job-g-7-1' }, {});
    const { username: user, uid } = userInfo();
    expect(auditEntries(stateDir)).toEqual([
      {
        at: expect.any(String) as string,
        who: { user, uid, sudoUser: 'li' },
        action: 'jobs rm',
        target: 'job-g-7-1',
        detail: 'running',
      },
      { at: expect.any(String) as string, who: { user, uid }, action: 'ssh', target: 'job-g-7-1' },
    ]);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(file())).mode & 0o777).toBe(0o700);
  });

  test('is cut at a MiB, and keeps five files of it', () => {
    mkdirSync(path.dirname(file()), { recursive: true });
    for (let round = 0; round < 8; round++) {
      appendFileSync(file(), `${' '.repeat(1024 * 1024)}\n`);
      audit(stateDir, { action: 'reap', target: `job-${round}` });
    }
    expect(readdirSync(path.dirname(file())).sort()).toEqual([1, 2, 3, 4, 5].map((index) => `audit.jsonl.${index}`));
    audit(stateDir, { action: 'reap', target: 'job-last' });
    expect(auditEntries(stateDir).map(({ target }) => target)).toEqual([
      'job-3',
      'job-4',
      'job-5',
      'job-6',
      'job-7',
      'job-last',
    ]);
  });

  test('that can not be written stops nothing, and a line that is half written hides no other', () => {
    writeFileSync(path.join(stateDir, 'log'), '');
    expect(audit(stateDir, { action: 'ssh' })).toBe(false);
    rmSync(path.join(stateDir, 'log'));
    audit(stateDir, { action: 'ssh' });
    appendFileSync(file(), '{"at":\n');
    audit(stateDir, { action: 'drain' });
    expect(auditEntries(stateDir).map(({ action }) => action)).toEqual(['ssh', 'drain']);
  });

  test('has each change of the budget once', () => {
    const budget = { currency: 'CNY', monthlyYuan: 300, perProjectYuan: {}, action: 'refuse' } as const;
    auditBudget(stateDir, budget);
    auditBudget(stateDir, budget);
    auditBudget(stateDir, { ...budget, monthlyYuan: 9_000 });
    expect(auditEntries(stateDir).map(({ action, detail }) => [action, detail])).toEqual([
      ['budget', JSON.stringify(budget)],
      ['budget', `${JSON.stringify(budget)} -> ${JSON.stringify({ ...budget, monthlyYuan: 9_000 })}`],
    ]);
  });
});
