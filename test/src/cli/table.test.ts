import stringWidth from 'string-width';
import { csvLine, table } from '../../../src/cli/table';

describe('a table', () => {
  test('aligns its columns, figures to the right, wide characters as two', () => {
    expect(
      table(
        [{ title: 'job' }, { title: 'yuan', align: 'right' }],
        [
          ['build', '0.021'],
          ['部署', '10.5'],
        ],
      ),
    ).toBe('JOB     YUAN\nbuild  0.021\n部署    10.5\n');
  });

  test('puts short titles beside the last line of long ones', () => {
    const columns = [{ title: 'job' }, { title: 'pay-as-\nyou-go', align: 'right' as const }];
    expect(table(columns, [['build', '1']])).toBe('       PAY-AS-\nJOB     YOU-GO\nbuild        1\n');
  });

  test('takes as long for each of many rows as for one of few', () => {
    const row = ['job-gitlab.example.com-123456-1', '部署', '1 h 00 min', '0.0238 yuan'];
    const before = process.cpuUsage();
    table(
      row.map((title) => ({ title })),
      Array.from({ length: 20_000 }, () => row),
    );
    // 60 ms of CPU, which other work on the machine does not add to; a table whose time grows with the
    // square takes minutes.
    expect(process.cpuUsage(before).user).toBeLessThan(5_000_000);
  });

  const columns = [
    { title: 'stack' },
    { title: 'zone', spare: 2 },
    { title: 'project', spare: 1 },
    { title: 'yuan', align: 'right' as const },
  ];
  const rows = [['job-gitlab.example.com-1001-1', 'cn-hangzhou-h', 'group/部署', '0.0210']];

  test.each([
    // As it is.
    [
      64,
      'STACK                          ZONE           PROJECT       YUAN\njob-gitlab.example.com-1001-1  cn-hangzhou-h  group/部署  0.0210',
    ],
    // Wrapped where a name may be broken.
    [
      50,
      'STACK            ZONE           PROJECT       YUAN\njob-gitlab.      cn-hangzhou-h  group/部署  0.0210\nexample.com-\n1001-1',
    ],
    // Without what can be spared.
    [30, 'STACK       PROJECT       YUAN\njob-        group/部署  0.0210\ngitlab.\nexample.\ncom-1001-1'],
    [20, 'STACK           YUAN\njob-gitlab.   0.0210\nexample.com-\n1001-1'],
  ])('keeps to a terminal of %d columns', (width, text) => {
    expect(table(columns, rows, width).trimEnd()).toBe(text);
    expect(text.split('\n').every((line) => stringWidth(line) <= width)).toBe(true);
  });

  test('breaks a name that is whole only where nothing else can be wrapped or left out', () => {
    const of = [
      { title: 'type', whole: true },
      { title: 'stock', spare: 1 },
      { title: 'why', prose: true },
    ];
    const pool = [['ecs.u1-c1m2.xlarge', 'yes', 'spot, but no cheaper']];
    expect(table(of, pool, 30)).toBe(
      'TYPE                WHY\necs.u1-c1m2.xlarge  spot, but\n                    no cheaper\n',
    );
    expect(table(of, pool, 22)).toBe(
      'TYPE           WHY\necs.u1-c1m2.   spot,\nxlarge         but no\n               cheaper\n',
    );
  });

  test('leaves columns out rather than shred names', () => {
    const jobs = ['stack', 'project', 'job', 'type'].map((title, index) => ({ title, spare: index && 5 - index }));
    const shown = table(
      jobs,
      [['job-127.0.0.1_8668-866626-1', 'demo/tally', 'test: [numbers]', 'ecs.u1-c1m2.xlarge']],
      30,
    );
    expect(shown).toBe('STACK           TYPE\njob-127.0.0.1_  ecs.u1-c1m2.\n8668-866626-1   xlarge\n');
  });

  test('breaks a name that has no place for it anywhere, also between wide characters', () => {
    expect(table([{ title: 'job' }], [['部署部署部署部'], ['abcdefghijkl']], 10)).toBe(
      'JOB\n部署部署部\n署部\nabcdefghij\nkl\n',
    );
  });

  test('never lets a job break its lines or steer the terminal', () => {
    expect(table([{ title: 'job' }], [['a\n\u001b[31mb']])).toBe('JOB\na  b\n');
  });
});

describe('CSV', () => {
  test.each([
    [['a', 1, undefined], 'a,1,\r\n'],
    [['say "hi", you'], '"say ""hi"", you"\r\n'],
    [['=HYPERLINK("x")'], '"\'=HYPERLINK(""x"")"\r\n'],
    [[' =1', '\n@x', '＝1', '-1', '\t+1'], "' =1,' @x,'＝1,'-1,'\t+1\r\n"],
    [['\u0001=1', '\u001b[0m@x', '\u200e-1'], "' =1,' @x,' -1\r\n"],
    [['a\u001b[31mb\u009b2J', 'x\ny'], 'a b 2J,x y\r\n'],
  ])('%j', (cells, line) => {
    expect(csvLine(cells)).toBe(line);
  });
});
