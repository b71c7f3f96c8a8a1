import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jobStack } from '../../../src/doctor/upkeep';
import { unbuiltEdit } from '../../../src/engine/job-source';

describe('an edit of stacks/job.ts that no build has taken up', () => {
  let root: string;
  const source = 'export const one = 1;\n';
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'job-source-'));
    for (const folder of ['stacks', 'dist']) mkdirSync(path.join(root, folder));
    writeFileSync(path.join(root, 'stacks/job.ts'), source);
    writeFileSync(path.join(root, 'dist/job.ts.sha256'), createHash('sha256').update(source).digest('hex'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  test('is named, with what to do, and doctor warns of it', () => {
    writeFileSync(path.join(root, 'stacks/job.ts'), `${source}// edited\n`);
    expect(jobStack(unbuiltEdit(root))).toMatchObject({
      state: 'warning',
      detail: expect.stringContaining(path.join(root, 'stacks/job.ts')) as string,
      remedy: expect.stringContaining('npm run build') as string,
    });
  });

  test('is not seen where the hooks were built from what stands there', () => {
    expect(jobStack(unbuiltEdit(root))).toMatchObject({ state: 'good' });
  });

  test.each(['stacks/job.ts', 'dist/job.ts.sha256'])('nothing is said where %s is missing', (file) => {
    rmSync(path.join(root, file));
    expect(unbuiltEdit(root)).toBeUndefined();
  });
});
