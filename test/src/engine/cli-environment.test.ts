import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cliEnvironment } from '../../../src/engine/workspace';
import { readSettings } from '../../../src/settings/settings';

let stateDir: string;
beforeEach(() => (stateDir = mkdtempSync(path.join(os.tmpdir(), 'workspace-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const environmentWith = (variables: Readonly<Record<string, string>>): Record<string, string> =>
  cliEnvironment(
    readSettings({ GITLAB_SPOT_ENV_FILE: '', GITLAB_SPOT_STATE_DIR: stateDir, ...variables }, { cloud: false }),
  );

describe('the environment of the CLI', () => {
  test('has nothing of a job, and none of our own settings', () => {
    const environment = environmentWith({
      CUSTOM_ENV_CI_JOB_TOKEN: 'hush',
      GITLAB_SPOT_GITLAB_TOKEN: 'hush',
      GITLAB_SPOT_ATTEMPT: '1',
      JOB_RESPONSE_FILE: '/tmp/job.json',
      HTTPS_PROXY: 'http://proxy',
    });
    expect(environment).toMatchObject({ HTTPS_PROXY: 'http://proxy', NO_PROXY: '100.100.100.200' });
    expect(
      Object.entries(environment).filter((entry) => /hush|CUSTOM_ENV|GITLAB_SPOT_|JOB_/.test(entry.join('='))),
    ).toEqual([]);
  });

  test('tells S3 libraries to leave out checksums that OSS does not know, where the backend is a bucket and nobody said otherwise', () => {
    const s3 = { PULUMI_BACKEND_URL: 's3://state?region=cn-hangzhou' };
    const names = ['AWS_REQUEST_CHECKSUM_CALCULATION', 'AWS_RESPONSE_CHECKSUM_VALIDATION'];
    expect(names.map((name) => environmentWith(s3)[name])).toEqual(['when_required', 'when_required']);
    expect(environmentWith({ ...s3, [names[0]!]: 'when_supported' })[names[0]!]).toBe('when_supported');
    expect(names.map((name) => environmentWith({})[name])).toEqual([undefined, undefined]);
  });

  test('gives CLI and provider one processor each and some memory, unless the host says otherwise', () => {
    expect(environmentWith({})).toMatchObject({ GOMAXPROCS: '1', GOGC: 'off', GOMEMLIMIT: '72MiB' });
    const { GOMAXPROCS, GOGC, GOMEMLIMIT } = environmentWith({ GOMAXPROCS: '8', GOGC: '200' });
    expect({ GOMAXPROCS, GOGC, GOMEMLIMIT }).toEqual({ GOMAXPROCS: '8', GOGC: '200', GOMEMLIMIT: undefined });
    expect(environmentWith({ GOMEMLIMIT: '1GiB' })['GOGC']).toBeUndefined();
  });

  test('names a passphrase file of mode 0600, made where there is none, and refuses one that others may read', () => {
    const file = environmentWith({})['PULUMI_CONFIG_PASSPHRASE_FILE']!;
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const open = path.join(stateDir, 'open');
    writeFileSync(open, 'sesame', { mode: 0o644 });
    expect(() => environmentWith({ PULUMI_CONFIG_PASSPHRASE_FILE: open })).toThrow(
      /Others may read the passphrase file/,
    );
  });
});
