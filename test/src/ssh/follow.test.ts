import { Duplex, PassThrough, Writable } from 'node:stream';
import type { NodeSSH } from 'node-ssh';
import { follow } from '../../../src/ssh/follow';

const NONCE = 'a'.repeat(32);
const frame = (text: string): string => `\x1e\x02${NONCE} ${text}\x03`;

/** A connection whose channel answers with these pieces, one after the other. */
function connection(pieces: readonly string[]) {
  const left = [...pieces];
  const channel = Object.assign(
    new Duplex({
      highWaterMark: 1,
      read: () => void channel.push(left.shift() ?? null),
      write: (_chunk, _encoding, done) => done(),
    }),
    { stderr: new PassThrough() },
  );
  const exec = (_command: string, done: (error: undefined, channel: unknown) => void): void => done(undefined, channel);
  const client = Object.assign(new PassThrough(), { exec });
  return { ssh: { connection: client } as unknown as NodeSSH, channel };
}

const progress = () => ({
  ...{ runId: 'r', nonce: NONCE, script: Buffer.from('true'), beside: '', interpreter: 'sh', metadataUrl: '' },
  offset: 0,
  boot: undefined,
});

test('a log that is slow, again and again, leaves nothing behind on the channel', async () => {
  const pieces = Array.from({ length: 40 }, () => 'x'.repeat(1_000));
  const { ssh, channel } = connection([frame('attached b'), ...pieces, frame('exit 0')]);
  let most = 0;
  let bytes = 0;
  const slow = new Writable({
    highWaterMark: 1,
    write: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      most = Math.max(most, channel.listenerCount('close'));
      setImmediate(done);
    },
  });
  expect(await follow(ssh, '10.0.0.9:22', progress(), slow, {})).toMatchObject({ kind: 'exit', status: 0 });
  expect(bytes).toBe(40_000);
  // Eleven make node write a warning into the job's log.
  expect(most).toBeLessThan(5);
});
