import { Screen } from '../../../sandbox/demo/screen';
import { terminalOf, widthOf, type Output } from '../../../sandbox/demo/terminal';
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
  const screen = new Screen(output, { verbose, now: () => 0, variables: {} });
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
  const screen = new Screen(output, { verbose: false, now: () => 0, variables: {} });
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
    'job                instance type  ready   took      yuan  exit',
    '-----------------  -------------  -----  -----  --------  -----------',
    'build              ecs.c7.xlarge  1.2 s  1.5 s  0.002583  0',
    'test (2 attempts)  ecs.c7.xlarge      -  1.5 s  0.002583  3 (allowed)',
    'late               -                  -  0.0 s  0.000000  skipped',
    '-----------------  -------------  -----  -----  --------  -----------',
    '                                         3.0 s  0.005166',
  ]);
  expect(table(rows, 120)).toContain('ecs.c7.xlarge  cn-hangzhou-i   0.155  1.2 s');
  for (const columns of [80, 50])
    for (const line of table([...rows, { ...rows[0]!, job: '构建、测试与打包的任务' }], columns).split('\n'))
      expect(widthOf(line)).toBeLessThanOrEqual(columns);
});

/** Draws so many jobs and returns what the terminal shows in the end. */
function drawn(output: Output & { text: string }, names: readonly string[], variables: Record<string, string>): string {
  const screen = new Screen(output, { verbose: false, now: () => 0, variables });
  for (const [id, name] of names.entries()) screen.see({ type: 'job-state', id, name, state: 'created' });
  screen.see({ type: 'job-state', id: names.length - 1, name: names.at(-1)!, state: 'running' });
  screen.close();
  return output.text.split('\x1b[0J').at(-1)!;
}

describe('a terminal', () => {
  test('with fewer rows than jobs shows those that run, and counts the others', () => {
    const names = Array.from({ length: 40 }, (_, index) => `job ${index + 1}`);
    const lines = drawn({ ...collect(true), rows: 10 }, names, { NO_COLOR: '1' })
      .trimEnd()
      .split('\n');
    expect(lines).toHaveLength(8);
    expect(lines.at(-2)).toMatch(/▸ job 40: {2}0\.0 s/);
    expect(lines.at(-1)).toBe('  and 33 more: 33 created');
  });

  test('without a size is taken for one of 80 columns, and a Chinese name for twice as many as it has characters', () => {
    const lines = drawn({ ...collect(true), columns: 0, rows: 0 }, ['构建'.repeat(60)], { NO_COLOR: '1' }).split('\n');
    expect(widthOf(lines[0]!)).toBeLessThanOrEqual(79);
    expect(widthOf(lines[0]!)).toBeGreaterThan(70);
  });

  test('where LANG is C gets plain ASCII', () => {
    expect(drawn(collect(true), ['build'], { LANG: 'C', NO_COLOR: '1' })).toMatch(/^[\x00-\x7f]*$/);
  });

  test.each([
    ['a terminal', true, {}, true, true],
    ['NO_COLOR', true, { NO_COLOR: '1' }, true, false],
    ['TERM=dumb', true, { TERM: 'dumb' }, false, false],
    ['a pipe', false, {}, false, false],
  ])('%s', (_name, isTTY, variables, live, colours) => {
    expect(terminalOf(collect(isTTY), variables)).toMatchObject({ live, colours });
  });
});
