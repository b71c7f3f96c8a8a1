import { temporaryFolder } from '../../sandbox/temporary-folder';

test('a sandbox is made below TMPDIR, and in /tmp where that has a space in its path', () => {
  expect(temporaryFolder('/var/tmp/mine')).toBe('/var/tmp/mine');
  expect(temporaryFolder('/var/tmp/two words')).toBe('/tmp');
});
