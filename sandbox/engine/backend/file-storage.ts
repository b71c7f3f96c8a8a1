import { createHash, randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { type Storage } from './storage';

const ATTRIBUTES = '.attrs';

/**
 * A backend in a directory, laid out as the real CLI's blob library does it: beside each file
 * FILE.attrs with its checksum (https://pkg.go.dev/gocloud.dev/blob/fileblob).
 */
export class FileStorage implements Storage {
  constructor(
    readonly url: string,
    private readonly directory: string,
  ) {}

  objectUrl(key: string): string {
    return `file://${path.posix.join(this.directory, key)}?no_tmp_dir=true`;
  }

  async read(key: string): Promise<Buffer | undefined> {
    try {
      return await fs.readFile(this.file(key));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async write(key: string, content: Buffer): Promise<void> {
    const file = this.file(key);
    await fs.mkdir(path.dirname(file), { recursive: true });
    await replace(file + ATTRIBUTES, Buffer.from(attributes(content)));
    await replace(file, content);
  }

  async copy(from: string, to: string): Promise<void> {
    const content = await this.read(from);
    if (content) await this.write(to, content);
  }

  async remove(key: string): Promise<void> {
    await fs.rm(this.file(key), { force: true });
    await fs.rm(this.file(key) + ATTRIBUTES, { force: true });
  }

  async list(folder: string): Promise<string[]> {
    try {
      const entries = await fs.readdir(this.file(folder), { withFileTypes: true });
      return entries
        .filter(
          (entry) => entry.isDirectory() || !(entry.name.endsWith(ATTRIBUTES) || entry.name.startsWith(TEMPORARY)),
        )
        .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
        .sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  private file(key: string): string {
    return path.join(this.directory, key);
  }
}

const TEMPORARY = 'fileblob';

/**
 * Writes beside the target and renames, so that whoever is killed leaves the old or the new file.
 */
async function replace(file: string, content: Buffer): Promise<void> {
  const temporary = path.join(path.dirname(file), `${TEMPORARY}${randomBytes(8).toString('hex')}`);
  try {
    await fs.writeFile(temporary, content);
    await fs.rename(temporary, file);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
}

function attributes(content: Buffer): string {
  const plain = {
    'user.cache_control': '',
    'user.content_disposition': '',
    'user.content_encoding': '',
    'user.content_language': '',
    'user.content_type': 'text/plain; charset=utf-8',
    'user.metadata': null,
    md5: createHash('md5').update(content).digest('base64'),
  };
  return `${JSON.stringify(plain)}\n`;
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
