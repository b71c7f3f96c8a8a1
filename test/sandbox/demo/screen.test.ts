import { Screen, type Output } from '../../../sandbox/demo/screen';
import { figuresOf, ReadyTimes, table } from '../../../sandbox/demo/figures';
import { logText } from '../../../sandbox/demo/log-text';
import type { JobResult, RunnerEvent } from '../../../sandbox/runner/types';

function collect(isTTY: boolean): Output & { text: string } {
  return {
    text: '',
    isTTY,
    columns: 80,
    write(part: string) {
      this.text += part;
    },
  };
}

const EVENTS: readonly RunnerEvent[] = [
  { type: 'job-state', id: 1, name: 'build', state: 'running' },
  { type: 'log', id: 1, name: 'build', text: 'section_start:1:get_sources\r\x1b[0K\x1b[36;1mGetting source\x1b[0;m\n' },
  { type: 'hook', id: 1, name: 'build', hook: 'prepare', phase: 'start' },
  { type: 'hook', id: 1, name: 'build', hook: 'prepare', phase: 'exit', exit: 0 },
  { type: 'runner-log', id: 1, name: 'build', text: 'from cleanup\n' },
  { type: 'job-state', id: 1, name: 'build', state: 'success' },
];

function show(isTTY: boolean, verbose = false): string {
  const output = collect(isTTY);
  const screen = new Screen(output, { verbose, now: () => 0 });
  for (const event of EVENTS) screen.see(event);
  screen.close();
  return output.text;
}

test('without a terminal: a line for each change, then the whole log, no escapes', () => {
  const text = show(false);
  expect(text).toMatch(
    /▸ build: running\n {2}build: its instance is ready after 0\.0 s\n✓ build: success\n── log of build ─+\n {3}Getting source\n/,
  );
  expect(text).not.toContain('\x1b');
});

test('at a terminal: lines that are drawn anew', () => {
  expect(show(true)).toContain('\x1b[1A\x1b[0J');
});

test('at a terminal: once closed, nothing is drawn any more', () => {
  const output = collect(true);
  const screen = new Screen(output, { verbose: false, now: () => 0 });
  for (const event of EVENTS) screen.see(event);
  screen.close();
  const closed = output.text;
  screen.close();
  expect(output.text).toBe(closed);
});

test("verbose: log lines as they come, and the runner's own", () => {
  const text = show(false, true);
  expect(text).toContain('build | Getting source\n');
  expect(text).toContain('build (runner) | from cleanup\n');
});

test.each([
  ['section marks', 'section_start:1:a\r\x1b[0Kx\nsection_end:2:a\r\x1b[0Ky\n', 'x\ny\n'],
  ['collapsed sections', 'section_start:1:a[collapsed=true]\r\x1b[0Kx\n', 'x\n'],
  ['colours', '\x1b[32;1mgreen\x1b[0;m\n', 'green\n'],
  ['timestamps', '2026-11-24T13:25:38.809547Z 00O one\n2026-11-24T13:25:38.809547Z 01E two\n', 'one\ntwo\n'],
  [
    'timestamps that go on with a line',
    '2026-11-24T13:25:38.809547Z 00O one\n2026-11-24T13:25:38.809548Z 00O+two\n',
    'onetwo\n',
  ],
])('a log is read without %s', (_title, log, expected) => {
  expect(logText(log, false)).toBe(expected);
});

const result = (more: Partial<JobResult>): JobResult => ({
  id: 7,
  name: 'build',
  stage: 'build',
  state: 'success',
  allowFailure: false,
  attempts: 1,
  attemptIds: [7],
  durationMs: 1500,
  log: '',
  ...more,
});

test("the table has the cloud's own figures for each job, and their sum", () => {
  const line = {
    instanceId: 'i-1',
    instanceType: 'ecs.c7.xlarge',
    zoneId: 'cn-hangzhou-i',
    tags: { 'x/job': '7' },
    from: '',
    to: '',
    seconds: 60,
    priceYuanPerHour: 0.155,
    yuan: 0.002583,
  };
  let now = 0;
  const ready = new ReadyTimes(() => now);
  ready.see({ type: 'log', id: 7, name: 'build', text: 'Running with' });
  now = 1200;
  ready.see({ type: 'log', id: 7, name: 'build', text: 'section_start:1:prepare_script\r' });
  const rows = [
    figuresOf(result({}), [line, { ...line, tags: { 'x/job': '8' } }], ready),
    figuresOf(
      result({
        id: 9,
        name: 'test',
        state: 'failed',
        exitCode: 3,
        allowFailure: true,
        attempts: 2,
        attemptIds: [8, 9],
      }),
      [line, { ...line, tags: { 'x/job': '8' } }],
      ready,
    ),
    figuresOf(result({ id: 0, name: 'late', state: 'skipped', attempts: 0, attemptIds: [], durationMs: 0 }), [], ready),
  ];
  expect(table(rows).split('\n')).toEqual([
    'job                instance type  zone           yuan/hour  ready s  duration s      yuan  exit',
    '-----------------  -------------  -------------  ---------  -------  ----------  --------  -----------',
    'build              ecs.c7.xlarge  cn-hangzhou-i      0.155      1.2         1.5  0.002583  0',
    'test (2 attempts)  ecs.c7.xlarge  cn-hangzhou-i      0.155        -         1.5  0.002583  3 (allowed)',
    'late               -              -                      -        -         0.0  0.000000  skipped',
    '-----------------  -------------  -------------  ---------  -------  ----------  --------  -----------',
    '                                                                            3.0  0.005166',
  ]);
});
