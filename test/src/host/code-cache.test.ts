import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build, stop } from 'esbuild';

/** In a node of its own: a cache is written when that ends. */
let root: string;
beforeAll(async () => {
  root = mkdtempSync(path.join(tmpdir(), 'code-cache-'));
  await build({
    entryPoints: [path.resolve(__dirname, '../../../src/host/code-cache.ts')],
    outfile: path.join(root, 'code-cache.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
  });
  await stop();
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
function run(text: string, digest: string, folder = path.join(root, 'cache'), nodeMajor = 20): string {
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
  return execFileSync(process.execPath, [path.join(root, 'start.js')], { encoding: 'utf8' });
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

test('a cache that is cut, or of another V8, is made anew', () => {
  run(says('one'), 'a');
  const file = path.join(root, 'cache/hook.js-a');
  const whole = readFileSync(file);
  writeFileSync(file, whole.subarray(0, whole.length - 8));
  expect(run(says('one'), 'a')).toBe('refused one hook.js true');
  // V8's version is hashed into its beginning.
  const strange = Buffer.from(readFileSync(file));
  strange[4]! ^= 0xff;
  writeFileSync(file, strange);
  expect(run(says('one'), 'a')).toBe('refused one hook.js true');
  expect(run(says('one'), 'a')).toBe('taken one hook.js true');
  expect(cached()).toEqual(['hook.js-a']);
});

test('where there is no folder for it, or node does it itself, a program just runs', () => {
  rmSync(path.join(root, 'cache'), { recursive: true, force: true });
  writeFileSync(path.join(root, 'taken'), '');
  expect(run(says('one'), 'a', path.join(root, 'taken/cache'))).toBe('none one hook.js true');
  expect(run(says('one'), 'a', '')).toBe('one hook.js true');
  expect(run(says('one'), 'a', undefined, 22)).toBe('one hook.js true');
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
    `require('./code-cache.js').runCompiled({ file: require.resolve('./code/other.js'), digest: 'd' }, { require, module }, ${JSON.stringify(path.join(root, 'cache-other'))}, 20);`,
  );
  expect(execFileSync(process.execPath, [start], { encoding: 'utf8' })).toBe('found');
});
