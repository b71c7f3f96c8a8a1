import { fold } from '../../../src/cli/prose';

test.each([
  ['Nothing is there.', 40, 0, 'Nothing is there.'],
  ['ok  pulumi: 3.260.0 is there', 20, 6, 'ok  pulumi: 3.260.0\n      is there'],
  ['      Run it again, please.\n', 20, 0, '      Run it again,\n      please.\n'],
  // An address stays whole; a Chinese character takes two columns.
  ['See https://example.com/a/long/address now', 20, 2, 'See\n  https://example.com/a/long/address\n  now'],
  ['部署部署 部署部署', 12, 0, '部署部署\n部署部署'],
])('a terminal gets %j at %d columns between words', (text, columns, hang, lines) => {
  expect(fold(text, columns, hang)).toBe(lines);
});

test('a pipe gets lines as they are', () => {
  const line = 'word '.repeat(100);
  expect(fold(line, Infinity)).toBe(line);
});
