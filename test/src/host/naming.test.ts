import { writeFileSync } from 'node:fs';
import { outcomeOf } from '../../../src/hooks/outcome';
import { naming } from '../../../src/host/naming';

const messageOf = (work: () => void): string => {
  try {
    work();
    return '';
  } catch (error) {
    return outcomeOf(error, { buildFailure: 1, systemFailure: 2 }).message;
  }
};

// /dev/full is Linux's own: each write to it finds no space.
test('a full disk is told with the file that did not fit', () => {
  const message = messageOf(() => naming('/state/drain.json', () => writeFileSync('/dev/full', 'x')));
  expect(message).toMatch(/^The runner host's disk is full: cannot write \/state\/drain\.json\. /);
});

test('what names its file already, or is none of the system’s, stays as it is', () => {
  const missing = messageOf(() => naming('/state/x', () => writeFileSync('/dev/full/file', 'x')));
  expect(missing).toContain('/dev/full/file');
  expect(() => naming('/state/x', () => JSON.parse('{'))).toThrow(SyntaxError);
});
