import { existsSync } from 'node:fs';
import { writePublic } from '../../../src/host/private-file';
import writeFileAtomic from 'write-file-atomic';

afterEach(() => jest.restoreAllMocks());

test.each(['ENOSPC', 'EDQUOT'])('%s is told as a full disk', (code) => {
  jest.spyOn(writeFileAtomic, 'sync').mockImplementation(() => {
    throw Object.assign(new Error(code), { code });
  });
  expect(() => writePublic('/state/x', '')).toThrow("The runner host's disk is full: cannot write /state/x");
  expect(existsSync('/state/x')).toBe(false);
});
