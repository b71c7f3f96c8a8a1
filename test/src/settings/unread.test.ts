import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { unreadSettings } from '../../../src/settings/unread';

let directory: string;
beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'unread-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function unreadIn(text: string, variables = {}): readonly string[] {
  const file = path.join(directory, 'env');
  writeFileSync(file, text, { mode: 0o600 });
  return unreadSettings({ GITLAB_SPOT_ENV_FILE: file, ...variables }).map((one) => one.replace(file, 'FILE'));
}

describe('what was meant as a setting and is none', () => {
  test('a name that no setting has, wherever it stands', () => {
    const text = 'GITLAB_SPOT_BUDGTE=300\nGITLAB_SPOT_BUDGET=300\nHTTPS_PROXY=http://proxy\n';
    expect(unreadIn(text, { GITLAB_SPOT_SUMARY: 'daily' })).toEqual([
      'GITLAB_SPOT_BUDGTE is no setting (FILE)',
      'GITLAB_SPOT_SUMARY is no setting (the environment)',
    ]);
  });

  test('a line that sets nothing, without its text', () => {
    const text = '# all\n\nGITLAB_SPOT_BUDGET 300\nexport GITLAB_SPOT_RETRY=yes\nALICLOUD_REGION: cn-hangzhou\n';
    expect(unreadIn(text)).toEqual(['line 3 of FILE is not NAME=VALUE']);
  });

  test('not the lines of a longer value, nor other ends of lines, nor a mark at the beginning', () => {
    const text = '\uFEFFHTTPS_PROXY=p\r\nKEY="-----BEGIN\nabc\n-----END"\r\n  # note\r\n';
    expect(unreadIn(text)).toEqual([]);
  });

  test('nothing of what commands, hooks and the container read', () => {
    expect(unreadIn('GITLAB_SPOT_CACHE_BUCKET=b\n', { GITLAB_SPOT_JOB: '{}', GITLAB_SPOT_PACKAGE: '/opt' })).toEqual(
      [],
    );
  });

  test('nothing where there is no file', () => {
    expect(unreadSettings({}, path.join(directory, 'none'))).toEqual([]);
  });
});
