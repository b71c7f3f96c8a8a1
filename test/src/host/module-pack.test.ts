import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundled } from '../../support/bundled';

/** In a node of its own: a pack is written when that ends. */
let root: string;
beforeAll(async () => {
  root = mkdtempSync(path.join(tmpdir(), 'module-pack-'));
  await bundled('host/module-pack.ts', root);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
afterEach(() => {
  for (const name of ['cache', 'node_modules']) rmSync(path.join(root, name), { recursive: true, force: true });
});

/** A file of a package, that an edit of another size made at another time. */
function write(name: string, text: string): void {
  const file = path.join(root, 'node_modules', name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** What the program prints; a module of the pack has the pack's name in its stack. */
function run(program: string, folder = path.join(root, 'cache')): string {
  const start = `
    require('./module-pack.js').usePackedModules('x', ${JSON.stringify(folder)});
    globalThis.from = (error) => (/x-modules-1/.test(error.stack.split('\\n')[1]) ? 'packed' : 'file');
    ${program}`;
  writeFileSync(path.join(root, 'start.js'), start);
  return execFileSync(process.execPath, [path.join(root, 'start.js')], { encoding: 'utf8' });
}

const kept = (): string[] => (existsSync(path.join(root, 'cache')) ? readdirSync(path.join(root, 'cache')).sort() : []);

test('modules of an earlier run come from its pack, compiled from the run after that on', () => {
  write('one/index.js', "'use strict'; exports.from = from(new Error()); exports.two = require('./two');");
  write('one/two.js', 'module.exports = from(new Error());');
  const program = "const one = require('one'); process.stdout.write(`${one.from} ${one.two}`);";
  expect(run(program)).toBe('file file');
  expect(kept()).toEqual(['x-modules-1']);
  expect(run(program)).toBe('packed packed');
  expect(kept()).toEqual([expect.stringMatching(/^x-code-[0-9a-f]{16}$/), 'x-modules-1']);
  expect(kept().map((name) => statSync(path.join(root, 'cache', name)).mode & 0o777)).toEqual([0o600, 0o600]);
  expect(run(program)).toBe('packed packed');
});

test('a module of the pack is what it is without it', () => {
  write('one/package.json', '{ "main": "lib/main.js", "version": "1.2.3" }');
  write(
    'one/lib/main.js',
    `#!/usr/bin/env node
    module.exports = () => [
      exports !== module.exports, this === undefined, typeof arguments, __filename, __dirname, module.id, module.loaded,
      require('../package.json').version, require.resolve('./other'), require.main.filename, require.main === process.mainModule,
      require.cache[__filename] === module, require('./other').isSame(module), require.resolve.paths('one')[0],
      require('node:path') === require('path'),
    ];`,
  );
  write('one/lib/other.js', "exports.isSame = (one) => one.exports === require('./main');");
  const program = "process.stdout.write(JSON.stringify(require('one')()));";
  const first = run(program);
  expect(first).toContain('node_modules/one/lib/main.js');
  expect([run(program), run(program)]).toEqual([first, first]);
});

test('what is not ASCII is the same from the pack', () => {
  write(
    'one/index.js',
    "/* ü */ const größe = 'ü😀'; module.exports = [from(new Error()), größe, `„${größe}“`, /^[ü😀]+$/u.test(größe)];",
  );
  const program = "process.stdout.write(require('one').join());";
  expect([run(program), run(program)]).toEqual(['file,ü😀,„ü😀“,true', 'packed,ü😀,„ü😀“,true']);
});

test('an edited module counts at once, and is packed anew', () => {
  write('one/index.js', "process.stdout.write('before ' + from(new Error()));");
  const program = "require('one');";
  run(program);
  expect(run(program)).toBe('before packed');
  write('one/index.js', "process.stdout.write('the edit ' + from(new Error()));");
  expect(run(program)).toBe('the edit file');
  expect(run(program)).toBe('the edit packed');
});

test('a module that lies elsewhere now is looked for', () => {
  write('one/index.js', "module.exports = 'index';");
  const program = "process.stdout.write(require('one'));";
  expect([run(program), run(program)]).toEqual(['index', 'index']);
  rmSync(path.join(root, 'node_modules/one'), { recursive: true });
  write('one.js', "module.exports = 'file';");
  expect([run(program), run(program)]).toEqual(['file', 'file']);
});

test('what one run needs stays in the pack when another needs something else', () => {
  for (const name of ['one', 'two']) write(`${name}/index.js`, 'process.stdout.write(from(new Error()));');
  run("require('one');");
  expect(run("require('two');")).toBe('file');
  expect([run("require('one');"), run("require('two');")]).toEqual(['packed', 'packed']);
});

test.each([
  ['tells how it is written', 'process.stdout.write(from(new Error()) + String.raw` ü`);', 'file ü'],
  [
    'is larger than what each run loads',
    `process.stdout.write(from(new Error())); // ${'x'.repeat(1024 * 1024)}`,
    'file',
  ],
  ['is no function’s body', '}); process.stdout.write("broken"); (() => {', undefined],
])('a module that %s is loaded as ever, and the pack is not written again for it', (_, text, says) => {
  write('one/index.js', text);
  const program = "try { require('one'); } catch { process.stdout.write('refused'); }";
  const first = run(program);
  expect(first).toBe(says ?? 'refused');
  const { mtimeMs } = statSync(path.join(root, 'cache/x-modules-1'));
  expect([run(program), run(program)]).toEqual([first, first]);
  expect(statSync(path.join(root, 'cache/x-modules-1')).mtimeMs).toBe(mtimeMs);
});

test('a pack that is spoiled, or in a folder that others write, is not looked at', () => {
  write('one/index.js', 'process.stdout.write(from(new Error()));');
  const program = "require('one');";
  run(program);
  expect(run(program)).toBe('packed');
  writeFileSync(path.join(root, 'cache/x-modules-1'), 'spoiled');
  expect([run(program), run(program)]).toEqual(['file', 'packed']);
  chmodSync(path.join(root, 'cache'), 0o777);
  expect([run(program), run(program)]).toEqual(['file', 'file']);
});

test('a killed process’s part of a pack goes when the next one is kept', () => {
  write('one/index.js', '');
  mkdirSync(path.join(root, 'cache'), { mode: 0o700 });
  writeFileSync(path.join(root, 'cache/x-modules-1.4711'), 'a part');
  run("require('one');");
  expect(kept()).toEqual(['x-modules-1']);
});

test('where there is no folder for it, nothing changes', () => {
  write('one/index.js', 'process.stdout.write(from(new Error()));');
  expect([run("require('one');", ''), run("require('one');", '')]).toEqual(['file', 'file']);
  expect(run("require('one');", path.join(root, 'gone/cache'))).toBe('file');
  expect(existsSync(path.join(root, 'gone'))).toBe(false);
});
