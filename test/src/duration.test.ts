import { withElapsed } from '../../src/duration';

test('each line has the time that has passed since the first', () => {
  let nowMs = 1_000;
  const lines: string[] = [];
  const say = withElapsed(
    (line) => lines.push(line),
    () => nowMs,
  );
  say('Starting');
  nowMs += 9_400;
  say('Provisioning');
  nowMs += 116_000;
  say('Destroying');
  expect(lines).toEqual(['       0 ms  Starting', '      9.4 s  Provisioning', ' 2 min 05 s  Destroying']);
});
