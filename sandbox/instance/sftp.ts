/** The SFTP subsystem (version 3), as OpenSSH's sftp-server answers it: one request after the other, paths relative to the home directory. */
import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import path from 'node:path';
import { utils, type Attributes, type SFTPWrapper } from 'ssh2';

const { OPEN_MODE, STATUS_CODE } = utils.sftp;

type OpenDirectory = { readonly kind: 'directory'; readonly folder: string; names: string[] };
type Handle = { readonly kind: 'file'; readonly file: fs.FileHandle } | OpenDirectory;

/** Serves requests until the channel ends. */
export function serveSftp(sftp: SFTPWrapper, home: string): void {
  const handles = new Map<number, Handle>();
  let lastHandle = 0;
  let turn: Promise<void> = Promise.resolve();

  const at = (name: string): string => path.resolve(home, name);
  const open = (handle: Handle): Buffer => {
    handles.set(++lastHandle, handle);
    const id = Buffer.alloc(4);
    id.writeUInt32BE(lastHandle);
    return id;
  };
  const get = <K extends Handle['kind']>(id: Buffer, kind: K): Extract<Handle, { kind: K }> => {
    const handle = id.length === 4 ? handles.get(id.readUInt32BE()) : undefined;
    if (handle?.kind !== kind) throw new Error('no such handle');
    return handle as Extract<Handle, { kind: K }>;
  };
  /** One request after the other; what throws is answered by a status. */
  const on = <A extends readonly unknown[]>(
    request: string,
    answer: (id: number, ...args: A) => Promise<void>,
  ): void => {
    sftp.on(request, (id: number, ...args: A) => {
      // The parser may use its buffers again after this turn.
      const own = args.map((each) => (Buffer.isBuffer(each) ? Buffer.from(each) : each)) as unknown as A;
      turn = turn
        .then(() => answer(id, ...own))
        .catch((error: NodeJS.ErrnoException) => sftp.status(id, statusOf(error), error.message));
    });
  };
  const simply = <A extends readonly unknown[]>(request: string, act: (...args: A) => Promise<unknown>): void =>
    on<A>(request, async (id, ...args) => {
      await act(...args);
      sftp.status(id, STATUS_CODE.OK);
    });

  on('OPEN', async (id, name: string, flags: number, attributes: Attributes) => {
    const mode = attributes.mode === undefined ? 0o666 : attributes.mode & 0o7777;
    sftp.handle(id, open({ kind: 'file', file: await fs.open(at(name), flagsOf(flags), mode) }));
  });
  on('READ', async (id, handle: Buffer, offset: number, length: number) => {
    const buffer = Buffer.alloc(Math.min(length, 256 * 1024));
    const { bytesRead } = await get(handle, 'file').file.read(buffer, 0, buffer.length, offset);
    if (bytesRead === 0) sftp.status(id, STATUS_CODE.EOF);
    else sftp.data(id, buffer.subarray(0, bytesRead));
  });
  simply('WRITE', async (handle: Buffer, offset: number, data: Buffer) => {
    const { file } = get(handle, 'file');
    for (let done = 0; done < data.length;)
      done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
  });
  simply('CLOSE', async (handle: Buffer) => {
    const key = handle.readUInt32BE();
    const closing = handles.get(key);
    handles.delete(key);
    if (closing?.kind === 'file') await closing.file.close();
  });
  on('STAT', async (id, name: string) => sftp.attrs(id, attributesOf(await fs.stat(at(name)))));
  on('LSTAT', async (id, name: string) => sftp.attrs(id, attributesOf(await fs.lstat(at(name)))));
  on('FSTAT', async (id, handle: Buffer) => sftp.attrs(id, attributesOf(await get(handle, 'file').file.stat())));
  simply('SETSTAT', (name: string, attributes: Attributes) => change(at(name), attributes));
  simply('FSETSTAT', (handle: Buffer, attributes: Attributes) => changeOpen(get(handle, 'file').file, attributes));
  on('OPENDIR', async (id, name: string) => {
    const folder = at(name);
    sftp.handle(id, open({ kind: 'directory', folder, names: ['.', '..', ...(await fs.readdir(folder))] }));
  });
  on('READDIR', async (id, handle: Buffer) => {
    const directory = get(handle, 'directory');
    const names = directory.names.splice(0, 100);
    if (names.length === 0) return void sftp.status(id, STATUS_CODE.EOF);
    sftp.name(id, await Promise.all(names.map((name) => entryOf(directory.folder, name))));
  });
  on('REALPATH', async (id, name: string) => {
    const real = await fs.realpath(at(name)).catch(() => at(name));
    sftp.name(id, [{ filename: real, longname: real, attrs: {} as Attributes }]);
  });
  on('READLINK', async (id, name: string) => {
    const target = await fs.readlink(at(name));
    sftp.name(id, [{ filename: target, longname: target, attrs: {} as Attributes }]);
  });
  simply('MKDIR', (name: string, { mode }: Attributes) =>
    fs.mkdir(at(name), { mode: mode === undefined ? 0o777 : mode & 0o7777 }),
  );
  simply('RMDIR', (name: string) => fs.rmdir(at(name)));
  simply('REMOVE', (name: string) => fs.unlink(at(name)));
  simply('SYMLINK', (target: string, link: string) => fs.symlink(target, at(link)));
  simply('RENAME', async (from: string, to: string) => {
    // Version 3 says that a rename doesn't replace.
    if (await fs.lstat(at(to)).catch(() => undefined)) throw new Error('the target exists');
    await fs.rename(at(from), at(to));
  });

  const end = (): void => {
    turn = turn.then(async () => {
      for (const handle of handles.values())
        if (handle.kind === 'file') await handle.file.close().catch(() => undefined);
      handles.clear();
    });
  };
  sftp.on('error', () => undefined);
  sftp.on('end', () => {
    end();
    sftp.end();
  });
  sftp.on('close', end);
}

function flagsOf(flags: number): number {
  const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_TRUNC, O_EXCL } = fs.constants;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return (
    (has(OPEN_MODE.WRITE) ? (has(OPEN_MODE.READ) ? O_RDWR : O_WRONLY) : O_RDONLY) |
    (has(OPEN_MODE.APPEND) ? O_APPEND : 0) |
    (has(OPEN_MODE.CREAT) ? O_CREAT : 0) |
    (has(OPEN_MODE.TRUNC) ? O_TRUNC : 0) |
    (has(OPEN_MODE.EXCL) ? O_EXCL : 0)
  );
}

function statusOf(error: NodeJS.ErrnoException): number {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return STATUS_CODE.NO_SUCH_FILE;
  if (error.code === 'EACCES' || error.code === 'EPERM') return STATUS_CODE.PERMISSION_DENIED;
  return STATUS_CODE.FAILURE;
}

function attributesOf(stats: Stats): Attributes {
  const { mode, uid, gid, size, atimeMs, mtimeMs } = stats;
  return { mode, uid, gid, size, atime: Math.floor(atimeMs / 1000), mtime: Math.floor(mtimeMs / 1000) };
}

async function entryOf(
  folder: string,
  name: string,
): Promise<{ filename: string; longname: string; attrs: Attributes }> {
  const stats = await fs.lstat(path.join(folder, name)).catch(() => undefined);
  const kind = stats?.isDirectory() === true ? 'd' : stats?.isSymbolicLink() === true ? 'l' : '-';
  const longname = `${kind}rw-r--r-- 1 ${stats?.uid ?? 0} ${stats?.gid ?? 0} ${stats?.size ?? 0} ${name}`;
  return { filename: name, longname, attrs: stats ? attributesOf(stats) : ({} as Attributes) };
}

async function change(file: string, { size, mode, uid, gid, atime, mtime }: Attributes): Promise<void> {
  if (size !== undefined) await fs.truncate(file, size);
  if (mode !== undefined) await fs.chmod(file, mode & 0o7777);
  if (uid !== undefined && gid !== undefined) await fs.chown(file, uid, gid);
  if (atime !== undefined && mtime !== undefined) await fs.utimes(file, atime, mtime);
}

async function changeOpen(file: fs.FileHandle, { size, mode, atime, mtime }: Attributes): Promise<void> {
  if (size !== undefined) await file.truncate(size);
  if (mode !== undefined) await file.chmod(mode & 0o7777);
  if (atime !== undefined && mtime !== undefined) await file.utimes(atime, mtime);
}
