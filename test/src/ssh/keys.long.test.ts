import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stop, transformSync } from 'esbuild';

afterAll(() => stop());

/** Where keys are exported after they were made, one of some thousand pairs hangs Node for good. */
const PAIRS = 30_000;

test('makes keys however often and wherever garbage is collected', () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'keys-'));
  try {
    const source = readFileSync(path.resolve(__dirname, '../../../src/ssh/keys.ts'), 'utf8');
    writeFileSync(path.join(directory, 'keys.js'), transformSync(source, { loader: 'ts', format: 'cjs' }).code);
    const program = `const { generateHostKeyPair } = require('./keys'); for (let n = 0; n < ${PAIRS}; n++) generateHostKeyPair('job'); console.log('made');`;
    writeFileSync(path.join(directory, 'main.js'), program);
    const node = [process.execPath, '--max-semi-space-size=1', path.join(directory, 'main.js')];
    const limits = { timeout: 110_000, killSignal: 'SIGKILL', encoding: 'utf8' } as const;
    const { stdout, signal } = spawnSync(node[0]!, node.slice(1), limits);
    expect({ stdout, signal }).toEqual({ stdout: 'made\n', signal: null });
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 120_000);
