import { parse } from 'smol-toml';
import { literal, setInTable, tablesOf } from '../../../src/register/toml-edit';

describe('tablesOf', () => {
  it.each<[string, string, [string, string[]][]]>([
    ['keys above every header', 'a = 1\n"b.c" = 2\n', [['', ['a', 'b.c']]]],
    [
      'tables and items of arrays',
      '[a]\nx = 1\n[[b]]\ny = 2\n',
      [
        ['', []],
        ['a', ['x']],
        ['b', ['y']],
      ],
    ],
    [
      'blanks and quotes in headers',
      '  [ a . "b.c" ] # why\nx=1',
      [
        ['', []],
        ['a/b.c', ['x']],
      ],
    ],
    ['a header inside a string', 'a = """\n[b]\nc = 1"""\nd = 2\n', [['', ['a', 'd']]]],
    ['quotes before the closing three', 'a = """x"""""\nb = 1\n', [['', ['a', 'b']]]],
    ['arrays over several lines, with comments', 'a = [\n  1, # ]\n  "]",\n]\nb = 2\n', [['', ['a', 'b']]]],
    ['inline tables', 'a = { b = "}", c = [1] } # x\nd = 1\n', [['', ['a', 'd']]]],
    ['literal strings with a backslash', "a = 'C:\\'\nb = 1\n", [['', ['a', 'b']]]],
    [
      'Windows line ends',
      'a = 1\r\n[b]\r\nc = 2\r\n',
      [
        ['', ['a']],
        ['b', ['c']],
      ],
    ],
    ['an equals sign in a quoted key', '"a=b" = 1\n', [['', ['a=b']]]],
    ['no text at all', '', [['', []]]],
  ])('sees %s', (_what, text, expected) => {
    expect(() => parse(text)).not.toThrow();
    expect(tablesOf(text).map((table) => [table.path.join('/'), table.entries.map(({ key }) => key)])).toEqual(
      expected,
    );
  });

  it('knows where each value begins and ends', () => {
    const text = 'a = [1,\n 2] # two\nb="x" \n';
    const [table] = tablesOf(text);
    expect(table!.entries.map(({ valueStart, valueEnd }) => text.slice(valueStart, valueEnd))).toEqual([
      '[1,\n 2]',
      '"x"',
    ]);
  });
});

describe('setInTable', () => {
  it('changes a value and leaves its comment, and adds a new key after the last', () => {
    const text = '# top\n[a]\n\tx = 1 # one\n\ty = "2"\n\n# b is next\n[b]\n';
    const result = setInTable(text, tablesOf(text)[1]!, { x: 7, z: ['q"r'] });
    expect(result).toBe('# top\n[a]\n\tx = 7 # one\n\ty = "2"\n\tz = [ "q\\"r" ]\n\n# b is next\n[b]\n');
  });

  it('ends the last line of a file that lacks its end', () => {
    const text = 'a = 1';
    expect(setInTable(text, tablesOf(text)[0]!, { b: true })).toBe('a = 1\nb = true\n');
  });
});

describe('literal', () => {
  it.each([
    ['text "quoted" \\ \n', '"text \\"quoted\\" \\\\ \\n"'],
    [true, 'true'],
    [12, '12'],
  ])('writes %j', (value, text) => expect(literal(value)).toBe(text));
});
