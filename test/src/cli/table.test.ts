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

  test('never lets a job break its lines or steer the terminal', () => {
    expect(table([{ title: 'job' }], [['a\n\u001b[31mb']])).toBe('JOB\na  b\n');
  });
});

describe('CSV', () => {
  test.each([
    [['a', 1, undefined], 'a,1,\r\n'],
    [['say "hi", you'], '"say ""hi"", you"\r\n'],
    [['=HYPERLINK("x")'], '"\'=HYPERLINK(""x"")"\r\n'],
  ])('%j', (cells, line) => {
    expect(csvLine(cells)).toBe(line);
  });
});
