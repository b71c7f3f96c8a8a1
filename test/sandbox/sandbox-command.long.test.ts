import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { builtFolder } from '../../sandbox/start';

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), "sandbox command's "))));
afterEach(() => {
  sandbox('stop', '--purge');
  rmSync(folder, { recursive: true, force: true });
});

function sandbox(...args: string[]) {
  const result = spawnSync(
    process.execPath,
    [path.join(builtFolder(), 'sandbox.js'), ...args, '--directory', path.join(folder, 'it')],
    { encoding: 'utf8' },
  );
  return { code: result.status, out: result.stdout, err: result.stderr };
}

test('start, status, env in a shell, start again, stop', () => {
  expect(sandbox('start')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^running: http\(s\):\/\/127\.0\.0\.1:\d+/),
  });
  expect(sandbox('status').out).toContain('0 instances, 0 security groups, 0 key pairs');
  expect(sandbox('start').out).toMatch(/^already running/);
  const shell = spawnSync(
    'sh',
    ['-c', `${sandbox('env').out}\nprintf '%s|%s' "$PULUMI_BACKEND_URL" "$(command -v gitlab-runner)"`],
    { encoding: 'utf8' },
  );
  expect(shell.stdout).toBe(`file://${folder}/it/backend|${folder}/it/bin/gitlab-runner`);
  const environment = JSON.parse(sandbox('env', '--json').out) as Record<string, string>;
  expect(statSync(environment['PULUMI_CONFIG_PASSPHRASE_FILE'] ?? '').mode & 0o777).toBe(0o600);
  expect(sandbox('stop', '--purge')).toMatchObject({ code: 0, out: 'stopped\n' });
  expect(existsSync(path.join(folder, 'it'))).toBe(false);
});

test('what needs a running one says how to get it', () => {
  expect(sandbox('env')).toEqual({
    code: 1,
    out: '',
    err: `sandbox: no sandbox runs in ${folder}/it; start one with \`npm run sandbox -- start\`\n`,
  });
  expect(sandbox('stop').out).toMatch(/^was not running/);
});

test('a wrong command is one sentence', () => {
  expect(sandbox('begin')).toMatchObject({
    code: 1,
    err: 'sandbox: Unknown argument: begin (see npm run sandbox -- --help)\n',
  });
});
