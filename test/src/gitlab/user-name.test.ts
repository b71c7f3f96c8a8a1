import { userName } from '../../../src/gitlab/user-name';

test.each([
  ['root', 7, 'root (user 7)'],
  ['', 7, ' (user 7)'],
  ['root', undefined, 'root (unverified)'],
  ['root (user 1)', undefined, 'root (user 1) (unverified)'],
  ['', undefined, ''],
])('a job that says it is %j, of user %s, is %j', (userLogin, userId, name) => {
  expect(userName({ userLogin, userId })).toBe(name);
});
