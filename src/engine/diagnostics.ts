import { constants } from 'node:os';
import type { SpotError } from '../errors';
import { HostError } from '../errors';
import { EngineFailed, PlacementRefused, StackLocked } from './errors';

/**
 * What the CLI printed when it failed, in one sentence. Texts: Pulumi CLI 3.2xx, alicloud provider
 * 3.x.
 */

/** Error diagnostics from the engine's events, and the CLI's own output where there are none. */
export interface Failure {
  readonly verb: string;
  readonly diagnostics: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

const ANSI = /\u001b\[[0-9;]*m/g;

export function failureOf(failure: Failure): SpotError {
  const diagnostics = failure.diagnostics.map((text) => text.replace(ANSI, ''));
  const output = `${failure.stdout}\n${failure.stderr}`.replace(ANSI, '');
  for (const text of [...diagnostics, output]) {
    const refused = refusalIn(text);
    if (refused) return refused;
  }
  const everything = [...diagnostics, output].join('\n');
  const signal = signalOf(failure.exitCode);
  if (signal)
    return new HostError(`\`pulumi ${failure.verb}\` was killed (${signal})`, {
      remedy: signal === 'SIGKILL' ? KILLED : '',
      retryable: true,
    });
  return knownFailure(everything) ?? unknownFailure(failure, diagnostics, output);
}

/**
 * A refusal of the cloud as the provider passes it on, in either of its two client stacks' words:
 * `Resource … RunInstances Failed!!! … Code: OperationDenied.NoStock Message: code: 400, … request
 * id: …`, `ErrorCode: …`; or in those of OSS: `Resource … GetBucketInfo Failed!!! … StatusCode=403,
 * ErrorCode=AccessDenied, ErrorMessage="…"`.
 */
function refusalIn(text: string): PlacementRefused | undefined {
  const action = /\b([A-Z][A-Za-z]+) Failed!!!/.exec(text)?.[1] ?? '';
  const [, ossCode, ossDetail] = /Failed!!!.*\n.*ErrorCode=(\w+), ErrorMessage="([^"]*)"/.exec(text) ?? [];
  const code = ossCode ?? /^\s*(?:Error)?Code: ([A-Z][\w.]+)\s*$/m.exec(text)?.[1];
  if (code === undefined) return undefined;
  const detail = ossDetail ?? /^\s*Message: (?:code: \d+, )?(.*?)(?: request id: \S+)?\s*$/m.exec(text)?.[1] ?? '';
  return new PlacementRefused(code, action, detail.replace(/\.$/, '').slice(0, 200), text);
}

/** On a small host these are the out-of-memory cases: the kernel ends the largest process. */
const KILLED = 'Most likely the runner host ran out of memory: see `dmesg`, and lower GITLAB_SPOT_CONCURRENT_UPS.';

type Known = readonly [RegExp, (match: RegExpExecArray) => SpotError];

const KNOWN: readonly Known[] = [
  [
    /the stack is currently locked by[^\n]*\n\s*(\S+?)(?:\?\S*)?: created by ([^\n]*)|\[409\] Conflict/,
    (match) =>
      new StackLocked(`The job's stack is locked${match[2] ? `, by ${match[2]}` : ''}`, {
        remedy: 'If no job is running there, `gitlab-spot reap` clears the lock and destroys the stack.',
        retryable: true,
      }),
  ],
  [
    /no resource plugin '?(pulumi-resource-[\w-]+)|failed to (?:install|download) (?:provider )?plugin|could not (?:find|load|download) plugin|error (?:install|download)ing plugin/i,
    () =>
      new HostError('Pulumi’s alicloud plugin is missing, and could not be downloaded', {
        remedy: 'Run `pulumi plugin install resource alicloud` on the runner host as the runner’s user.',
      }),
  ],
  [
    /incorrect passphrase/i,
    () =>
      new HostError('The passphrase does not open the stack’s secrets', {
        remedy: 'Let PULUMI_CONFIG_PASSPHRASE_FILE name the file with which the stacks of this backend were made.',
      }),
  ],
  [
    /passphrase must be set|PULUMI_CONFIG_PASSPHRASE(?:_FILE)? environment variable|unable to (?:read|find) .*passphrase/i,
    () =>
      new HostError('Pulumi has no passphrase for the stack’s secrets', {
        remedy: 'Set PULUMI_CONFIG_PASSPHRASE_FILE, or leave it out: the executor then makes one in its state folder.',
      }),
  ],
  [
    /no valid credential sources|invalid credential|one of `?access_key/i,
    () =>
      new HostError('The alicloud provider found no credentials', {
        remedy: 'Set ALICLOUD_ACCESS_KEY and ALICLOUD_SECRET_KEY in the env file.',
      }),
  ],
  [
    // What gRPC says of a provider that is gone in the middle of a call, or before the next one;
    // the CLI gives it with its code or without. A backend's own reads say `blob`.
    /error reading from server: (?!blob)|transport: Error while dialing: dial tcp (?:127\.|\[::1\])|rpc error: code = Unavailable[^\n]*(?:EOF|connection refused|connection reset)/,
    () => new HostError('The alicloud provider was killed while it worked', { remedy: KILLED, retryable: true }),
  ],
  [
    /(?:PULUMI_ACCESS_TOKEN must be set|could not (?:list|open|access) bucket|unable to (?:open|check if) bucket|unknown (?:backend|URL scheme)|error reading from server|NoSuchBucket|AccessDenied)[^\n]*/,
    (match) =>
      new HostError(`Pulumi’s backend can't be used: ${match[0].slice(0, 160)}`, {
        remedy: 'Check PULUMI_BACKEND_URL and the credentials for it on the runner host.',
      }),
  ],
  [
    /no space left on device/i,
    () => new HostError('The runner host’s disk is full', { remedy: 'Free space in the state folder’s file system.' }),
  ],
];

/**
 * The CLI itself ended by a signal (cli.ts gives it as a shell does); its own exit codes are 255
 * and below 10.
 */
function signalOf(exitCode: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0];
}

function knownFailure(text: string): SpotError | undefined {
  for (const [pattern, make] of KNOWN) {
    const match = pattern.exec(text);
    if (match) return make(match);
  }
  return undefined;
}

function unknownFailure(failure: Failure, diagnostics: readonly string[], output: string): EngineFailed {
  const lines = [...diagnostics, ...output.split('\n').filter((line) => /\berror\b/i.test(line))];
  const first = lines
    .map((line) =>
      line
        .split('\n')[0]!
        .replace(/^error:\s*/i, '')
        .trim(),
    )
    .find((line) => line !== '' && line !== 'update failed');
  return new EngineFailed(
    `\`pulumi ${failure.verb}\` failed (exit ${failure.exitCode})${first ? `: ${first.slice(0, 300)}` : ''}`,
    {
      remedy: first ? '' : 'GITLAB_SPOT_VERBOSE=1 on the runner host keeps its whole output.',
      retryable: true,
      cause: output.slice(-4000),
    },
  );
}
