import { counted, plural } from '../../src/plural';

test('a number has the word that goes with it', () => {
  expect([0, 1, 2].map((count) => counted(count, 'job'))).toEqual(['0 jobs', '1 job', '2 jobs']);
  expect([1, 2].map((count) => counted(count, 'vSwitch', 'vSwitches'))).toEqual(['1 vSwitch', '2 vSwitches']);
  expect([1, 1200].map((count) => plural(count, 'run'))).toEqual(['run', 'runs']);
});
