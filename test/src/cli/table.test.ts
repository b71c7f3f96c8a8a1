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
    const startMs = performance.now();
    table(
      row.map((title) => ({ title })),
      Array.from({ length: 20_000 }, () => row),
    );
    // 60 ms; a table whose time grows with the square takes minutes.
    expect(performance.now() - startMs).toBeLessThan(5_000);
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
    [['a\u001b[31mb\u009b2J', 'x\ny'], 'a b 2J,x y\r\n'],
  ])('%j', (cells, line) => {
    expect(csvLine(cells)).toBe(line);
  });
});
