/** Zip archives as GitLab's artifacts and caches are: deflated, with Unix modes, symbolic links and times; up to 4 GiB. */
import { chmod, lstat, mkdir, readFile, readlink, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { crc32 as crcOfZlib, deflateRawSync, inflateRawSync } from 'node:zlib';

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const UTF8 = 0x0800;
const DEFLATED = 8;
const MADE_ON_UNIX = 0x0314;
const MAX = 0xffffffff;

const IS_LINK = 0o120000;
const TYPE_MASK = 0o170000;

/** zlib has crc32 from Node 20.15 and 22.2 on. */
const crc32 = (content: Buffer): number => crcOfZlib(content);

interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly content: Buffer;
  readonly modified: Date;
}

async function entryOf(root: string, name: string): Promise<Entry> {
  const file = path.join(root, name);
  const stats = await lstat(file);
  const content = stats.isSymbolicLink()
    ? Buffer.from(await readlink(file))
    : stats.isDirectory()
      ? Buffer.alloc(0)
      : await readFile(file);
  return { name: stats.isDirectory() ? `${name}/` : name, mode: stats.mode, content, modified: stats.mtime };
}

function dosTime(date: Date): number {
  const year = Math.max(date.getFullYear(), 1980) - 1980;
  const day = (year << 9) | ((date.getMonth() + 1) << 5) | date.getDate();
  const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
  return ((day << 16) | time) >>> 0;
}

function fromDosTime(value: number): Date {
  const [day, time] = [value >>> 16, value & 0xffff];
  return new Date((day >> 9) + 1980, ((day >> 5) & 15) - 1, day & 31, time >> 11, (time >> 5) & 63, (time & 31) * 2);
}

/** The archive of these files and folders, named relative to `root`. @throws Error above 4 GiB. */
export async function zip(root: string, names: readonly string[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const name of names) {
    const entry = await entryOf(root, name);
    const packed = deflateRawSync(entry.content);
    const bytes = Buffer.from(entry.name);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(UTF8, 2);
    shared.writeUInt16LE(DEFLATED, 4);
    shared.writeUInt32LE(dosTime(entry.modified), 6);
    shared.writeUInt32LE(crc32(entry.content), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(entry.content.length, 18);
    shared.writeUInt16LE(bytes.length, 22);
    const local = Buffer.alloc(4);
    local.writeUInt32LE(LOCAL);
    const central = Buffer.alloc(6);
    central.writeUInt32LE(CENTRAL);
    central.writeUInt16LE(MADE_ON_UNIX, 4);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((entry.mode << 16) >>> 0, 6);
    rest.writeUInt32LE(offset, 10);
    parts.push(local, shared, bytes, packed);
    directory.push(central, shared, rest, bytes);
    offset += 30 + bytes.length + packed.length;
    if (offset > MAX) throw new Error('the archive is larger than 4 GiB');
  }
  const index = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(END);
  end.writeUInt16LE(names.length, 8);
  end.writeUInt16LE(names.length, 10);
  end.writeUInt32LE(index.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, index, end]);
}

function readEntries(archive: Buffer): Entry[] {
  let at = archive.length - 22;
  while (at >= 0 && archive.readUInt32LE(at) !== END) at -= 1;
  if (at < 0) throw new Error('this is no zip archive');
  const count = archive.readUInt16LE(at + 10);
  let next = archive.readUInt32LE(at + 16);
  return Array.from({ length: count }, () => {
    const start = next;
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) =>
      archive.readUInt16LE(start + field),
    ) as [number, number, number];
    next = start + 46 + nameLength + extraLength + commentLength;
    const name = archive.subarray(start + 46, start + 46 + nameLength).toString();
    return {
      name,
      mode: archive.readUInt32LE(start + 38) >>> 16,
      modified: fromDosTime(archive.readUInt32LE(start + 12)),
      content: contentAt(archive, start),
    };
  });
}

function contentAt(archive: Buffer, central: number): Buffer {
  const local = archive.readUInt32LE(central + 42);
  const begin = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  const packed = archive.subarray(begin, begin + archive.readUInt32LE(central + 20));
  return archive.readUInt16LE(central + 10) === DEFLATED ? inflateRawSync(packed) : packed;
}

/** Unpacks into `root`; nothing leaves it. @throws Error where this is no zip archive. */
export async function unzip(archive: Buffer, root: string): Promise<void> {
  for (const entry of readEntries(archive)) {
    const file = path.resolve(root, entry.name);
    if (file !== root && !file.startsWith(`${root}${path.sep}`))
      throw new Error(`${entry.name} points outside of the folder`);
    if (entry.name.endsWith('/')) {
      await mkdir(file, { recursive: true });
      continue;
    }
    await mkdir(path.dirname(file), { recursive: true });
    await rm(file, { force: true });
    if ((entry.mode & TYPE_MASK) === IS_LINK) {
      await symlink(entry.content.toString(), file);
      continue;
    }
    await writeFile(file, entry.content);
    if (entry.mode & 0o777) await chmod(file, entry.mode & 0o777);
    await utimes(file, entry.modified, entry.modified);
  }
}
