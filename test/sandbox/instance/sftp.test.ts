import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { SFTPWrapper } from 'ssh2';
import { testMachine, type TestMachine } from './support/machines';
import { describeEachKind } from './support/kinds';

describeEachKind('SFTP of an instance', (kind) => {
  let instance: TestMachine;
  let sftp: SFTPWrapper;
  let local: string;
  const remote = (name: string): string => path.join(instance.spec.directory, 'root/root', name);

  beforeAll(async () => {
    instance = await testMachine(kind);
    const client = await instance.connect();
    sftp = await new Promise((resolve, reject) =>
      client.sftp((error, opened) => (error ? reject(error) : resolve(opened))),
    );
    local = await mkdtemp(path.join(tmpdir(), 'sftp-'));
  });
  afterAll(async () => {
    await instance.dispose();
    await rm(local, { recursive: true, force: true });
  });

  test('puts and gets a file whole, relative to the home directory', async () => {
    const content = randomBytes(3_000_000);
    await writeFile(path.join(local, 'in'), content);
    await promisify(sftp.fastPut.bind(sftp) as (a: string, b: string, done: (error?: Error | null) => void) => void)(
      path.join(local, 'in'),
      'file',
    );
    expect((await readFile(remote('file'))).equals(content)).toBe(true);
    await promisify(sftp.fastGet.bind(sftp) as (a: string, b: string, done: (error?: Error | null) => void) => void)(
      'file',
      path.join(local, 'out'),
    );
    expect((await readFile(path.join(local, 'out'))).equals(content)).toBe(true);
  });

  test('makes, lists, renames and removes', async () => {
    await promisify(sftp.mkdir.bind(sftp) as (a: string, done: (error?: Error | null) => void) => void)('folder');
    await writeFile(remote('folder/a'), 'a');
    await promisify(sftp.rename.bind(sftp))('folder/a', 'folder/b');
    const names = await promisify(
      sftp.readdir.bind(sftp) as (
        a: string,
        done: (error: Error | undefined, list: { filename: string }[]) => void,
      ) => void,
    )('folder');
    expect(names.map((entry) => entry.filename).filter((name) => !name.startsWith('.'))).toEqual(['b']);
    await promisify(sftp.chmod.bind(sftp))('folder/b', 0o640);
    expect((await stat(remote('folder/b'))).mode & 0o777).toBe(0o640);
    const stats = await promisify(sftp.stat.bind(sftp))('folder/b');
    expect(stats).toMatchObject({ size: 1 });
    await promisify(sftp.unlink.bind(sftp))('folder/b');
    await promisify(sftp.rmdir.bind(sftp))('folder');
    await expect(promisify(sftp.stat.bind(sftp))('folder')).rejects.toMatchObject({ code: 2 });
  });

  test('a rename does not replace a file', async () => {
    await writeFile(remote('one'), '1');
    await writeFile(remote('two'), '2');
    await expect(promisify(sftp.rename.bind(sftp))('one', 'two')).rejects.toMatchObject({ code: 4 });
  });

  test('answers what is missing with "no such file"', async () => {
    await expect(
      promisify(sftp.readFile.bind(sftp) as (a: string, done: (e: Error | undefined, b: Buffer) => void) => void)(
        'missing',
      ),
    ).rejects.toMatchObject({ code: 2 });
  });
});
