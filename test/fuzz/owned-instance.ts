import fc from '../support/property';
import { nonceIn, startHostile, type HostileServer } from '../support/ssh/hostile';
import { hostileText } from './support';

/**
 * A job that has become root owns its instance: the sshd that takes our login, the supervisor's
 * files and frames, and the disk they lie on. It says and does what it likes, also in the
 * supervisor's name; whatever it is, the hook ends in order, within its limits, and nobody else
 * notices.
 */
/** One thing that the instance does on a channel. Repeated on each reconnection. */
export type Act =
  | { readonly kind: 'frame'; readonly text: string }
  | { readonly kind: 'raw' | 'message'; readonly text: string }
  | { readonly kind: 'much'; readonly kib: number; readonly stderr: boolean }
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'close' | 'eof' | 'hang up' };

const frameText = fc.oneof(
  fc.constantFrom(
    'attached b',
    'attached other',
    'exit 0',
    'exit 1',
    'exit 137',
    'exit 1e99',
    'exit -1',
    'exit',
    'attached',
  ),
  fc.constantFrom('interruption 2026-11-24T12:05:00Z', 'blind', 'broken no space left', 'output 5', 'x'.repeat(40_000)),
  hostileText,
  fc
    .tuple(fc.constantFrom('exit ', 'attached ', 'interruption ', 'broken '), hostileText)
    .map((parts) => parts.join('')),
);
const messageText = fc.oneof(
  fc.constantFrom(
    'interruption 2026-11-24T12:05:00Z',
    'blind',
    'ended 0',
    'ended 1e99',
    'rebooted',
    'vanished oom',
    'broken',
  ),
  fc
    .tuple(fc.constantFrom('interruption ', 'ended ', 'vanished ', 'broken ', ''), hostileText)
    .map((parts) => parts.join('')),
);
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('frame' as const), text: frameText }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('raw' as const), text: hostileText }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('message' as const), text: messageText }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('much' as const),
      kib: fc.integer({ min: 1, max: 512 }),
      stderr: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('exit' as const), code: fc.integer({ min: 0, max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('close' as const, 'eof' as const, 'hang up' as const) }) },
);
export const acts = fc.array(act, { maxLength: 8 });
/** An instance that does this with each command. */
export async function owned(plan: readonly Act[]): Promise<HostileServer> {
  return startHostile((channel, command, client) => {
    const nonce = nonceIn(command);
    for (const one of plan) {
      if (one.kind === 'frame') channel.write(`\x1e\x02${nonce} ${one.text}\x03`);
      else if (one.kind === 'raw') channel.write(one.text);
      else if (one.kind === 'message') channel.stderr.write(`gitlab-spot ${nonce} ${one.text}\n`);
      else if (one.kind === 'much') (one.stderr ? channel.stderr : channel).write(Buffer.alloc(one.kib * 1024, 'y'));
      else if (one.kind === 'exit') channel.exit(one.code % 256);
      else if (one.kind === 'eof') channel.end();
      else if (one.kind === 'close') channel.close();
      else client.end();
    }
    // One that says nothing more is a script that runs; a job may do that until its timeout.
    setTimeout(() => client.end(), 20).unref();
  });
}
