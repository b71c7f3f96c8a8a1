/**
 * Zip archives as GitLab's artifacts and caches are: deflated, with Unix modes, symbolic links and
 * times.
 */
import { createReadStream } from 'node:fs';
import { chmod, lstat, mkdir, readlink, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { fromBufferPromise } from 'yauzl';
import { ZipFile } from 'yazl';

const IS_LINK = 0o120000;
const TYPE_MASK = 0o170000;

/**
 * The archive of these files and folders, named relative to `root`. @throws Error where one can't
 * be read, or its name can't be kept.
 */
export async function zip(root: string, names: readonly string[]): Promise<Buffer> {
  const found = await Promise.all(names.map((name) => look(root, name)));
  const archive = new ZipFile();
  archive.on('error', (error: Error) => (archive.outputStream as Readable).destroy(error));
  for (const { name, file, stats, link } of found) {
    const options = { mode: stats.mode, mtime: stats.mtime };
    if (link !== undefined) archive.addBuffer(Buffer.from(link), name, options);
    else if (stats.isDirectory()) archive.addEmptyDirectory(name, options);
    else
      // Not addFile: a file that something still writes to may be longer than it was.
      archive.addReadStreamLazy(name, options, (opened) =>
        opened(
          undefined,
          createReadStream(file).once('error', (error) => archive.emit('error', error)),
        ),
      );
  }
  archive.end();
  return buffer(archive.outputStream);
}

async function look(root: string, name: string) {
  // Both would be taken for Windows' own.
  if (name.includes('\\')) throw new Error(`${name}: the sandbox's archives hold no name with a backslash`);
  const safe = /^[a-z]:/i.test(name) ? `./${name}` : name;
  const file = path.join(root, name);
  const stats = await lstat(file);
  return { name: safe, file, stats, link: stats.isSymbolicLink() ? await readlink(file) : undefined };
}

/** Unpacks into `root`; nothing leaves it. @throws Error where this is no zip archive. */
export async function unzip(archive: Buffer, root: string): Promise<void> {
  // Names are read here as they are: the library refuses some that are usual on Linux.
  const entries = await fromBufferPromise(archive, { lazyEntries: true, decodeStrings: false });
  for await (const entry of entries.eachEntry()) {
    const name = entry.fileNameRaw.toString();
    const file = path.resolve(root, name);
    if (file !== root && !file.startsWith(`${root}${path.sep}`))
      throw new Error(`${name} points outside of the folder`);
    if (name.endsWith('/')) {
      await mkdir(file, { recursive: true });
      continue;
    }
    const content = await buffer(await entries.openReadStreamPromise(entry));
    const mode = entry.externalFileAttributes >>> 16;
    await mkdir(path.dirname(file), { recursive: true });
    await rm(file, { force: true });
    if ((mode & TYPE_MASK) === IS_LINK) {
      await symlink(content.toString(), file);
      continue;
    }
    await writeFile(file, content);
    if (mode & 0o777) await chmod(file, mode & 0o777);
    const modified = entry.getLastModDate();
    await utimes(file, modified, modified);
  }
}
