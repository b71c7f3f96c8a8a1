import { painter } from '../../../src/cli/commands/doctor';

test.each([
  ['at a terminal', true, {}, '\u001b[32mok \u001b[0m'],
  ['in a pipe', false, {}, 'ok '],
  ['with NO_COLOR', true, { NO_COLOR: '1' }, 'ok '],
  ['with an empty NO_COLOR, which asks for nothing', true, { NO_COLOR: '' }, '\u001b[32mok \u001b[0m'],
  ['at a terminal that has none', true, { TERM: 'dumb' }, 'ok '],
])('colours %s', (_where, terminal, environment, text) => {
  expect(painter(terminal, environment)('ok ', 32)).toBe(text);
});
