import stringWidth from 'string-width';
import { auditText } from '../../../src/cli/commands/audit';

const at = '2026-11-28T09:30:00.000Z';
const entries = [
  { at, who: { user: 'root', uid: 0, sudoUser: 'li' }, action: 'ssh', target: 'job-gitlab.example.com-1001-1' },
  {
    at,
    who: { user: 'gitlab-spot', uid: 990 },
    action: 'budget',
    detail: '{"currency":"CNY","monthlyYuan":500,"projects":{}} -> {"currency":"CNY","monthlyYuan":800,"projects":{}}',
  },
  { at, who: { user: 'gitlab-spot', uid: 990 }, action: 'reap', target: '作业', detail: 'its job is\u001b[2J over' },
];

test('a terminal with room has a table', () => {
  const [head, first] = auditText(entries, 250).split('\n');
  expect(head).toMatch(/^WHEN +WHO +WHAT +ON +DETAIL$/);
  expect(first).toMatch(/^2026-11-28T09:30:00.000Z +li as root +ssh +job-gitlab.example.com-1001-1$/);
});

test.each([50, 80])('one of %d columns has all of it, no time, name or value broken', (columns) => {
  const text = auditText(entries, columns);
  expect(text.split('\n').every((line) => stringWidth(line) <= columns)).toBe(true);
  for (const whole of [`${at}  li as root`, 'ssh job-gitlab.example.com-1001-1', '"monthlyYuan":800,', 'reap 作业'])
    expect(text).toContain(whole);
  expect(text).not.toContain('\u001b');
});
