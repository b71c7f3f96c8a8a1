import { reapHint } from '../../../src/cli/commands/reap';

test.each([
  [{ grace: '5m', allHosts: false }, 'gitlab-spot reap --yes'],
  [{ grace: '10s', allHosts: false }, 'gitlab-spot reap --yes --grace 10s'],
  [{ grace: '0s', allHosts: true }, 'gitlab-spot reap --yes --grace 0s --all-hosts'],
])('a dry run with %j names the command that does what it says', (asked, command) => {
  expect(reapHint({ ...asked, dry: true }, 2)).toBe(`\n2 would be destroyed: \`${command}\` does it.\n`);
  expect(reapHint({ ...asked, dry: false }, 2)).toBe('');
});
