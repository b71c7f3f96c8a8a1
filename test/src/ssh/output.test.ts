import { exitStatus, ForgedFrame, OutputReader, useIn } from '../../../src/ssh/output';

const NONCE = '0123456789abcdef0123456789abcdef';
const frame = (text: string): string => `\x1e\x02${NONCE} ${text}\x03`;

/** What the reader makes of it, whole and byte by byte. */
function read(text: string): readonly string[] {
  const told = [1, text.length].map((size) => {
    const seen: string[] = [];
    const reader = new OutputReader(NONCE, {
      attached: (boot) => seen.push(`attached ${boot}`),
      output: (chunk) => seen.push(...chunk.toString('latin1')),
      exit: (status) => seen.push(`exit ${status}`),
    });
    const bytes = Buffer.from(text, 'latin1');
    for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
    return seen;
  });
  expect(told[0]).toEqual(told[1]);
  return told[0]!;
}

test.each(['0', '7', '137', '255'])('a stage may end with %s', (status) => {
  expect(read(`hello${frame('attached b-1')}ab${frame(`exit ${status}`)}cd`)).toEqual([
    'attached b-1',
    'a',
    'b',
    `exit ${status}`,
  ]);
});

test.each(['1e99', '256', '999', '-1', '+1', '', ' 0', '0x1', '1.5', 'NaN', 'Infinity', '\u0663', '0000', '1\0'])(
  'and not with %j',
  (status) => {
    expect(() => exitStatus(status)).toThrow(ForgedFrame);
    expect(() => read(frame('attached b') + frame(`exit ${status}`))).toThrow(ForgedFrame);
  },
);

test.each([
  ['of a word that is none', frame('stop')],
  ['of the words of messages', frame('broken no space')],
  ['without a word', frame('')],
  ['with a boot id that holds a NUL', frame('attached a\0b')],
  ['with a boot id of 65 characters', frame(`attached ${'a'.repeat(65)}`)],
  ['of 30 KB', frame('x'.repeat(30_000))],
  ['without an end', `\x1e\x02${NONCE} ${'x'.repeat(500)}`],
])('a frame %s is forged', (_what, text) => expect(() => read(text)).toThrow(ForgedFrame));

test('of what a machine says of its use only shares count', () => {
  expect(useIn(['-1', '4', 'x', '', '99999999999999999', '1'])).toBeUndefined();
  expect(useIn(['1', '4', '9', '2', '8', '6'])).toEqual({ memory: 0.75, disk: 0.25 });
  expect(useIn(Array.from({ length: 1000 }, () => '7'))).toEqual({ memory: 0, cpu: 1, disk: 0 });
});
