import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundled } from '../../support/bundled';

/** In a node of its own: a cache is written when that ends. */
let root: string;
beforeAll(async () => {
  root = mkdtempSync(path.join(tmpdir(), 'code-cache-'));
  await bundled('host/code-cache.ts', root);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const cached = (): string[] => {
  try {
    return readdirSync(path.join(root, 'cache')).sort();
  } catch {
    return [];
  }
};

/** What the program says, and whether V8 took the cache. */
function run(
  text: string,
  digest: string,
  { folder = path.join(root, 'cache'), nodeMajor = 20, options = [] as string[] } = {},
): string {
  writeFileSync(path.join(root, 'hook.js'), text);
  const start = `
    const vm = require('node:vm');
    const { runCompiled } = require('./code-cache.js');
    const Script = vm.Script;
    vm.Script = class extends Script {
      constructor(code, options) {
        super(code, options);
        process.stdout.write(options.cachedData ? (this.cachedDataRejected ? 'refused ' : 'taken ') : 'none ');
      }
    };
    runCompiled({ file: require.resolve('./hook.js'), digest: '${digest}' }, { require, module }, ${JSON.stringify(folder)}, ${nodeMajor});`;
  writeFileSync(path.join(root, 'start.js'), start);
  return execFileSync(process.execPath, [...options, path.join(root, 'start.js')], { encoding: 'utf8' });
}

const says = (word: string): string =>
  `process.stdout.write('${word} ' + require('node:path').basename(__filename) + ' ' + (module.exports === exports));`;

test('a program is compiled once for each text, and runs as its own file', () => {
  expect(run(says('one'), 'a')).toBe('none one hook.js true');
  expect(cached()).toEqual(['hook.js-a']);
  expect(statSync(path.join(root, 'cache/hook.js-a')).mode & 0o777).toBe(0o600);
  expect(run(says('one'), 'a')).toBe('taken one hook.js true');
  // As long as the text before: V8 would take its cache for this one's.
  expect(run(says('two'), 'b')).toBe('none two hook.js true');
  expect(cached()).toEqual(['hook.js-b']);
});

test.each<[string, (file: Buffer) => Buffer]>([
  ['is cut', (file) => file.subarray(0, file.length - 8)],
  // V8 would run it, and die of it or do something else.
  ['has a page that was never written', (file) => Buffer.from(file).fill(0, 200, 400)],
  ['is of another V8', (file) => Buffer.from(file).fill(0xff, 36, 40)],
])('a cache that %s is not looked at, and made anew', (_, spoil) => {
  const file = path.join(root, 'cache/hook.js-a');
  if (!existsSync(file)) run(says('one'), 'a');
  const whole = readFileSync(file);
  writeFileSync(file, spoil(whole));
  expect(run(says('one'), 'a')).toBe('none one hook.js true');
  expect(run(says('one'), 'a')).toBe('taken one hook.js true');
  expect(cached()).toEqual(['hook.js-a']);
});

test('a cache that was made with other options of node is made anew', () => {
  expect(run(says('one'), 'a', { options: ['--no-opt'] })).toBe('refused one hook.js true');
  expect(run(says('one'), 'a', { options: ['--no-opt'] })).toBe('taken one hook.js true');
});

describe('what another user may have written', () => {
  const folder = (): string => path.join(root, 'cache');
  const file = (): string => path.join(folder(), 'hook.js-a');
  const cases: [string, () => void, { asRoot?: boolean; keepsFolder?: boolean }][] = [
    ['a folder that its group writes', () => chmodSync(folder(), 0o770), {}],
    ['a folder that all write', () => chmodSync(folder(), 0o1777), {}],
    ['a file that its group writes', () => chmodSync(file(), 0o660), { keepsFolder: true }],
    ["another's file", () => chownSync(file(), 65534, 65534), { asRoot: true, keepsFolder: true }],
  ];
  test.each(cases.filter(([, , { asRoot }]) => !asRoot || process.getuid?.() === 0))(
    'is not run: %s',
    (_, plant, { keepsFolder }) => {
      rmSync(folder(), { recursive: true, force: true });
      run(says('one'), 'a');
      plant();
      expect(run(says('one'), 'a')).toBe('none one hook.js true');
      // What lies in an own folder is replaced; where others write nothing is left.
      if (keepsFolder) expect(run(says('one'), 'a')).toBe('taken one hook.js true');
      rmSync(folder(), { recursive: true });
    },
  );
});

test('a state folder that was removed meanwhile stays away', () => {
  expect(run(says('one'), 'a', { folder: path.join(root, 'state/cache') })).toBe('none one hook.js true');
  expect(existsSync(path.join(root, 'state'))).toBe(false);
});

test('where there is no folder for it, or node does it itself, a program just runs', () => {
  rmSync(path.join(root, 'cache'), { recursive: true, force: true });
  writeFileSync(path.join(root, 'taken'), '');
  expect(run(says('one'), 'a', { folder: path.join(root, 'taken/cache') })).toBe('none one hook.js true');
  expect(run(says('one'), 'a', { folder: '' })).toBe('one hook.js true');
  expect(run(says('one'), 'a', { nodeMajor: 22 })).toBe('one hook.js true');
  expect(cached()).toEqual([]);
});

test('a program finds what lies beside it, not beside what starts it', () => {
  const code = path.join(root, 'code');
  mkdirSync(code);
  writeFileSync(path.join(code, 'beside.js'), "module.exports = 'found';");
  writeFileSync(path.join(code, 'other.js'), "process.stdout.write(require('./beside.js'));");
  const start = path.join(root, 'start-other.js');
  writeFileSync(
    start,
    `require('./code-cache.js').runCompiled({ file: require.resolve('./code/other.js'), digest: 'd' }, { require, module }, ${JSON.stringify(path.join(root, 'cache'))}, 20);`,
  );
  expect(execFileSync(process.execPath, [start], { encoding: 'utf8' })).toBe('found');
});
