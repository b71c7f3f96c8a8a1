import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { failureOf } from '../../../src/engine/diagnostics';
import { PlacementRefused, StackLocked } from '../../../src/engine/errors';
import { isStale, locksIn } from '../../../src/engine/locks';
import { HostError } from '../../../src/errors';
import { facts, REFUSAL_CODES, refusalMessage } from '../../support/facts';
import { describeWithFixtures, fixture } from '../../support/fixtures';

const failed = (stderr: string, diagnostics: string[] = []) =>
  failureOf({ verb: 'up', diagnostics, stdout: '', stderr, exitCode: 255 });

describe('what the CLI printed', () => {
  test.each([
    [
      "error: could not load plugin for alicloud provider: no resource plugin 'pulumi-resource-alicloud' found",
      HostError,
      /plugin is missing/,
    ],
    ['error: incorrect passphrase', HostError, /passphrase does not open/],
    [
      'error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables',
      HostError,
      /has no passphrase/,
    ],
    [
      'error: rpc error: code = Unavailable desc = error reading from server: EOF',
      HostError,
      /^The alicloud provider was killed while it worked$/,
    ],
    // As the CLI 3.260 gives it.
    ['error: error reading from server: EOF', HostError, /^The alicloud provider was killed while it worked$/],
    [
      'error: connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:4711: connect: connection refused"',
      HostError,
      /^The alicloud provider was killed while it worked$/,
    ],
    [
      'error: error reading from server: blob (code=Unknown): operation error S3: https response error, connect ECONNREFUSED (state)',
      HostError,
      /^Pulumi’s backend can't be used/,
    ],
    ['error: write /x: no space left on device', HostError, /disk is full/],
    ['error: something new\n  at length', Error, /`pulumi up` failed \(exit 255\): something new/],
    ['', Error, /`pulumi up` failed \(exit 255\)$/],
  ])('%s', (stderr, kind, message) => {
    expect(failed(stderr)).toBeInstanceOf(kind);
    expect(failed(stderr).message).toMatch(message);
    expect(failed(stderr).message).not.toContain('\n');
  });

  test('names the signal that ended the CLI, and memory where it was SIGKILL', () => {
    const killed = (exitCode: number) => failureOf({ verb: 'up', diagnostics: [], stdout: '', stderr: '', exitCode });
    expect(killed(137)).toMatchObject({ message: '`pulumi up` was killed (SIGKILL)' });
    expect(killed(137).remedy).toContain('ran out of memory');
    expect(killed(143)).toMatchObject({ message: '`pulumi up` was killed (SIGTERM)', remedy: '' });
  });

  test('names a refusal in the words of the provider’s other client too', () => {
    const error = failed('', [
      'ecs DescribeVSwitches Failed!!! [SDK]: SDK.ServerError\nErrorCode: Forbidden.RAM\nMessage: User not authorized.',
    ]);
    expect(error).toMatchObject({ code: 'Forbidden.RAM', action: 'DescribeVSwitches' });
    expect(error.remedy).toContain('gitlab-spot ram-policy');
  });

  test('does not take a bucket that is refused for the backend’s', () => {
    const error = failed('', [
      'x.go:567: Resource ci-cache GetBucketInfo Failed!!! [SDK aliyun-oss-go-sdk ERROR]:\noss: service returned error: StatusCode=403, ErrorCode=AccessDenied, ErrorMessage="No right."',
    ]);
    expect(error.message).toBe('Alibaba Cloud refused GetBucketInfo: AccessDenied, No right');
    expect(error.remedy).toMatch(/GetBucketInfo while the foundation is made/);
  });
});

describe('an instance that the cloud refuses', () => {
  test.each(REFUSAL_CODES)('%s is told by the events, and by the output alone', (code) => {
    const message = refusalMessage(code);
    const onTerminal = `Diagnostics:\n  alicloud:ecs:Instance (job):\n    error: ${message.replace('[ERROR]', '\u001b[31m[ERROR]\u001b[0m').replace(/\n(?=.)/g, '\n    ')}`;
    for (const error of [failed('', [message]), failed(onTerminal)]) {
      expect(error).toBeInstanceOf(PlacementRefused);
      expect(error).toMatchObject({ code, action: 'RunInstances', isInstance: true });
      expect(error.message).not.toMatch(/\u001b|\n/);
    }
  });

  test('a locked stack names who holds it', () => {
    const { locked } = facts<{ locked: { stderr?: string }[] }>('pulumi/commands');
    const text = locked[0]!.stderr!.replace('STACK', 'job-1002').replace('LOCK', 'file:///state/lock.json');
    expect(failed(text)).toBeInstanceOf(StackLocked);
    expect(locksIn(text)).toEqual([{ host: 'vm', pid: 13228, at: new Date('2026-11-24T13:14:21Z') }]);
  });
});

describeWithFixtures('recorded failures of up', 'pulumi', () => {
  test.each([
    'OperationDenied.NoStock',
    'InvalidAccountStatus.NotEnoughBalance',
    'InvalidSpotPriceLimit.LowerThanPublicPrice',
    'QuotaExceed.ElasticQuota',
  ])('%s is told by the events, and by the output alone', (code) => {
    const events = fixture(`pulumi/up-fails-${code}.events.jsonl`)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { diagnosticEvent?: { severity: string; message: string } });
    const diagnostics = events.flatMap(({ diagnosticEvent: one }) => (one?.severity === 'error' ? [one.message] : []));
    for (const error of [failed('', diagnostics), failed(fixture(`pulumi/up-fails-${code}.error.txt`))]) {
      expect(error).toBeInstanceOf(PlacementRefused);
      expect(error).toMatchObject({ code, action: 'RunInstances', isInstance: true });

      expect(error.message).not.toMatch(/\u001b|\n/);
    }
  });

  test('a locked stack names who holds it', () => {
    const text = fixture('pulumi/cli-destroy-locked.txt');
    expect(failed(text)).toBeInstanceOf(StackLocked);
    expect(locksIn(text)).toEqual([{ host: 'vm', pid: 13228, at: new Date('2026-11-24T13:14:21Z') }]);
  });
});

describe('a lock', () => {
  const at = new Date();
  test.each([
    ['of a process that runs', { host: 'here', pid: process.pid, at: new Date(Date.now() + 60_000) }, false],
    ['of a process that is gone', { host: 'here', pid: 2 ** 22 + 1, at }, true],
    ['whose pid is a younger process now', { host: 'here', pid: process.pid, at: new Date(0) }, true],
    ['of another host, just made', { host: 'there', pid: 1, at }, false],
    ['of another host, hours old', { host: 'there', pid: 1, at: new Date(Date.now() - 3 * 3_600_000) }, true],
  ])('%s: stale is %s', (_title, lock, stale) => {
    expect(isStale(lock, 'job-1-1', Date.now(), 'here')).toBe(stale);
  });

  test('of a CLI at work on its stack is held, however far the clock was set forward meanwhile', async () => {
    const cli = spawn('sh', ['-c', 'read line', 'job-1-1'], { argv0: 'pulumi', stdio: ['pipe', 'ignore', 'ignore'] });
    const ended = once(cli, 'exit');
    await once(cli, 'spawn');
    const lock = { host: 'here', pid: cli.pid!, at: new Date(Date.now() - 7_200_000) };
    expect(isStale(lock, 'job-1-1', Date.now(), 'here')).toBe(false);
    expect(isStale(lock, 'job-2-1', Date.now(), 'here')).toBe(true);
    cli.stdin.end();
    await ended;
    expect(isStale(lock, 'job-1-1', Date.now(), 'here')).toBe(true);
  });
});
