import { jsonText, printable, printableLines } from '../../src/printable';

/** Names as a job may have them. */
const HOSTILE = [
  'a\u001b[2J\u001b]0;title\u0007b',
  'a\u009b2Jb',
  'a\u202egnp.exe\u2066b',
  'a\u2028b\u0085c',
  'a\u007f\u200fb',
  'a\r\u0000b',
];
const STEERS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

test.each(HOSTILE)('%j steers no terminal, as a line or as lines', (name) => {
  expect(printable(name)).not.toMatch(STEERS);
  expect(printable(`${name}\n${name}`)).not.toMatch(/\n/);
  expect(printableLines(`${name}\nnext`)).not.toMatch(STEERS);
  expect(printableLines(`${name}\nnext`).split('\n')).toEqual([printable(name), 'next']);
});

test.each(HOSTILE)('%j steers no terminal as JSON, and is the same text to a program', (name) => {
  const text = jsonText({ [name]: [name] });
  expect(text).not.toMatch(STEERS);
  expect(JSON.parse(text)).toEqual({ [name]: [name] });
});
