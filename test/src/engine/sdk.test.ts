import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { bundled } from '../../support/bundled';

let built: string;
beforeAll(async () => bundled('engine/sdk.ts', (built = mkdtempSync(path.join(os.tmpdir(), 'sdk-')))));
afterAll(() => rmSync(built, { recursive: true }));

/** In a process of its own: jest has a registry of modules of its own. */
function inNode(script: string, variables: Readonly<Record<string, string>> = {}): unknown {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'sdk-'));
  try {
    copyFileSync(path.join(built, 'sdk.js'), path.join(directory, 'sdk.js'));
    const answer = `const answer = (value) => process.stdout.write(JSON.stringify(value)); require('./sdk').loadAutomation().then(async () => { ${script} });`;
    writeFileSync(path.join(directory, 'main.js'), answer);
    const env = { NODE_PATH: path.resolve(__dirname, '../../../node_modules'), ...variables };
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

test('the SDK comes from the pack that an earlier process has left', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sdk-pack-'));
  const script = `
    const { runtime } = require('@pulumi/pulumi');
    await runtime.setMocks({ call: () => ({}), newResource: ({ name, inputs }) => ({ id: name, state: inputs }) });
    const { ecs } = require('@pulumi/alicloud');
    const key = new ecs.KeyPair('key', { keyPairName: 'job-1' });
    const name = await new Promise((resolve) => key.keyPairName.apply(resolve));
    answer([name, Object.keys(require.cache).filter((file) => file.includes('node_modules')).sort()]);`;
  const runs = [1, 2, 3].map(() => inNode(script, { NODE_COMPILE_CACHE: folder }));
  expect(runs).toEqual([runs[0], runs[0], runs[0]]);
  expect(readdirSync(folder).filter((name) => name.startsWith('sdk-'))).toHaveLength(2);
  rmSync(folder, { recursive: true });
});

test('a program that needs them has them', () => {
  const text = inNode(`answer((await require('@pulumi/pulumi').runtime.serializeFunction(() => 41 + 1)).text)`);
  expect(text).toContain('41 + 1');
});
