import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stop, transformSync } from 'esbuild';

afterAll(() => stop());

/** In a process of its own: jest has a registry of modules of its own. */
function inNode(script: string): unknown {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'sdk-'));
  try {
    const source = readFileSync(path.resolve(__dirname, '../../../src/engine/sdk.ts'), 'utf8');
    const { code } = transformSync(source, { loader: 'ts', format: 'cjs', supported: { 'dynamic-import': false } });
    writeFileSync(path.join(directory, 'sdk.js'), code);
    const answer = `const answer = (value) => process.stdout.write(JSON.stringify(value)); require('./sdk').loadAutomation().then(async () => { ${script} });`;
    writeFileSync(path.join(directory, 'main.js'), answer);
    const env = { NODE_PATH: path.resolve(__dirname, '../../../node_modules') };
    return JSON.parse(execFileSync(process.execPath, [path.join(directory, 'main.js')], { encoding: 'utf8', env }));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('the SDK is loaded without a TypeScript compiler and npm’s resolver', () => {
  const loaded = inNode('answer(Object.keys(require.cache))') as string[];
  expect(loaded).toContain(require.resolve('@pulumi/pulumi/automation/index.js'));
  expect(loaded.filter((file) => /typescript\.js$|\/@npmcli\//.test(file))).toEqual([]);
});

test('a program that needs them has them', () => {
  const text = inNode(`answer((await require('@pulumi/pulumi').runtime.serializeFunction(() => 41 + 1)).text)`);
  expect(text).toContain('41 + 1');
});
