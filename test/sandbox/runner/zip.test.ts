import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { unzip, zip } from '../../../sandbox/runner/helper/zip';

let root: string;
beforeEach(() => (root = mkdtempSync(path.join(tmpdir(), 'zip-'))));
afterEach(() => rmSync(root, { recursive: true }));
const folder = () => mkdtempSync(path.join(root, 'of-'));

describe('an archive of artifacts or of a cache', () => {
  test('gives files, modes, times, links and empty folders back', async () => {
    const [from, to] = [folder(), folder()];
    mkdirSync(path.join(from, 'out/empty'), { recursive: true });
    writeFileSync(path.join(from, 'out/run.sh'), 'echo ü\n');
    chmodSync(path.join(from, 'out/run.sh'), 0o750);
    utimesSync(path.join(from, 'out/run.sh'), 1_700_000_001, 1_700_000_001);
    symlinkSync('run.sh', path.join(from, 'out/link'));
    writeFileSync(path.join(from, 'c:名.txt'), '');
    const archive = await zip(from, ['out', 'out/empty', 'out/run.sh', 'out/link', 'c:名.txt']);
    await unzip(archive, to);
    expect(readFileSync(path.join(to, 'out/run.sh'), 'utf8')).toBe('echo ü\n');
    const { mode, mtimeMs } = lstatSync(path.join(to, 'out/run.sh'));
    expect({ mode: mode & 0o777, mtimeMs }).toEqual({ mode: 0o750, mtimeMs: 1_700_000_001_000 });
    expect(readlinkSync(path.join(to, 'out/link'))).toBe('run.sh');
    expect(lstatSync(path.join(to, 'out/empty')).isDirectory()).toBe(true);
    expect(readFileSync(path.join(to, 'c:名.txt'), 'utf8')).toBe('');
  });

  test('that names a file outside of the folder is refused', async () => {
    const from = folder();
    writeFileSync(path.join(from, 'aa_evil'), 'x');
    const archive = Buffer.from(
      (await zip(from, ['aa_evil'])).toString('latin1').replaceAll('aa_evil', '../evil'),
      'latin1',
    );
    await expect(unzip(archive, from)).rejects.toThrow('../evil points outside of the folder');
  });

  test('of a file that is gone is an error, and so is what is no archive', async () => {
    await expect(zip(folder(), ['gone'])).rejects.toThrow('ENOENT');
    await expect(unzip(Buffer.from('no archive'), folder())).rejects.toThrow(/not a zip/i);
  });
});
