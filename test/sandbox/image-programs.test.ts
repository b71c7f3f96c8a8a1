import { symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parsePrograms, programWords, realHelper } from '../../sandbox/image-programs';

test('what the images of --real bring along reaches the cloud’s own process: the real gitlab-runner by its file, and docker', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'image programs '));
  const link = path.join(folder, 'gitlab-runner');
  symlinkSync(process.execPath, link);
  const programs = { ...realHelper(link), docker: 'host' as const };
  expect(parsePrograms(programWords(programs))).toEqual({
    'gitlab-runner': { file: process.execPath },
    docker: 'host',
  });
  expect(realHelper(undefined)).toEqual({});
  await rm(folder, { recursive: true });
});

test.each(['kubectl=host', 'docker', 'gitlab-runner=relative/path'])('%s is none', (word) =>
  expect(() => parsePrograms([word])).toThrow(`--program must be docker=… or gitlab-runner=…, not ${word}`),
);
