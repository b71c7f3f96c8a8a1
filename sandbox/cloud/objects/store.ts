/** Buckets and objects on disk: the body of an object in one file, what is known of it beside. */
import { createHash, randomBytes } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Bucket {
  readonly name: string;
  readonly createdAt: number;
  readonly acl: string;
  readonly storageClass: string;
  readonly redundancy: string;
  /** By sub-resource (`lifecycle`, `tagging`): the XML as it was put. */
  readonly settings: Record<string, string>;
}

export interface StoredObject {
  readonly key: string;
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedAt: number;
  /** Content-Type and other headers that come back with the object. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A body that has arrived, not yet an object. */
export interface Body {
  readonly file: string;
  readonly size: number;
  readonly md5: Buffer;
}

interface Upload {
  readonly bucket: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, Body>;
}

/**
 * All buckets of the sandbox. What is on disk when it starts is there again; unfinished uploads are
 * not.
 */
export class ObjectStore {
  readonly buckets = new Map<string, Bucket>();
  private readonly objects = new Map<string, Map<string, StoredObject>>();
  private readonly uploads = new Map<string, Upload>();

  constructor(
    private readonly directory: string,
    private readonly now: () => number,
  ) {
    rmSync(this.incoming, { recursive: true, force: true });
    if (existsSync(directory)) for (const name of readdirSync(directory)) this.load(name);
  }

  private get incoming(): string {
    return path.join(this.directory, '.incoming');
  }

  private load(name: string): void {
    const folder = path.join(this.directory, name);
    if (!existsSync(path.join(folder, 'bucket.json'))) return;
    this.buckets.set(name, JSON.parse(readFileSync(path.join(folder, 'bucket.json'), 'utf8')) as Bucket);
    const objects = new Map<string, StoredObject>();
    for (const file of readdirSync(folder).filter((one) => one.endsWith('.object'))) {
      const object = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as StoredObject;
      objects.set(object.key, object);
    }
    this.objects.set(name, objects);
  }

  /** Makes the bucket, or writes down its changed settings. */
  saveBucket(bucket: Bucket): void {
    const folder = path.join(this.directory, bucket.name);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    replaceFile(path.join(folder, 'bucket.json'), JSON.stringify(bucket));
    this.buckets.set(bucket.name, bucket);
    if (!this.objects.has(bucket.name)) this.objects.set(bucket.name, new Map());
  }

  deleteBucket(name: string): void {
    this.buckets.delete(name);
    this.objects.delete(name);
    rmSync(path.join(this.directory, name), { recursive: true, force: true });
  }

  /** In the order of their keys' bytes. */
  list(bucket: string): StoredObject[] {
    const objects = [...(this.objects.get(bucket)?.values() ?? [])];
    return objects.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  /** Undefined: there is no such bucket. */
  bytesIn(bucket: string): number | undefined {
    const objects = this.objects.get(bucket);
    return objects && [...objects.values()].reduce((sum, { size }) => sum + size, 0);
  }

  find(bucket: string, key: string): StoredObject | undefined {
    return this.objects.get(bucket)?.get(key);
  }

  /** The file with the object's bytes. */
  fileOf(bucket: string, key: string): string {
    return path.join(this.directory, bucket, createHash('sha256').update(key).digest('hex'));
  }

  /** Reads a body to its end. */
  async receive(stream: Readable): Promise<Body> {
    mkdirSync(this.incoming, { recursive: true, mode: 0o700 });
    const file = path.join(this.incoming, randomBytes(12).toString('hex'));
    const md5 = createHash('md5');
    let size = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        size += chunk.length;
        md5.update(chunk);
        done(null, chunk);
      },
    });
    await pipeline(stream, measure, createWriteStream(file, { mode: 0o600 }));
    return { file, size, md5: md5.digest() };
  }

  put(
    bucket: string,
    key: string,
    body: Body,
    headers: Readonly<Record<string, string>>,
    etag = body.md5.toString('hex'),
  ): StoredObject {
    const object: StoredObject = { key, size: body.size, etag, modifiedAt: this.now(), headers };
    const file = this.fileOf(bucket, key);
    renameSync(body.file, file);
    replaceFile(`${file}.object`, JSON.stringify(object));
    this.objects.get(bucket)?.set(key, object);
    return object;
  }

  delete(bucket: string, key: string): void {
    this.objects.get(bucket)?.delete(key);
    const file = this.fileOf(bucket, key);
    rmSync(file, { force: true });
    rmSync(`${file}.object`, { force: true });
  }

  startUpload(bucket: string, key: string, headers: Readonly<Record<string, string>>): string {
    const id = randomBytes(16).toString('hex').toUpperCase();
    this.uploads.set(id, { bucket, key, headers, parts: new Map() });
    return id;
  }

  /** Undefined: no such upload. */
  upload(id: string): Upload | undefined {
    return this.uploads.get(id);
  }

  /** Puts the parts together. */
  async finishUpload(id: string, upload: Upload, numbers: readonly number[]): Promise<StoredObject> {
    const parts = numbers.map((number) => upload.parts.get(number)).filter((part) => part !== undefined);
    const body = await this.receive(concatenated(parts.map((part) => part.file)));
    const digest = createHash('md5')
      .update(Buffer.concat(parts.map((part) => part.md5)))
      .digest('hex');
    this.dropUpload(id);
    return this.put(upload.bucket, upload.key, body, upload.headers, `${digest}-${parts.length}`);
  }

  dropUpload(id: string): void {
    for (const part of this.uploads.get(id)?.parts.values() ?? []) rmSync(part.file, { force: true });
    this.uploads.delete(id);
  }
}

function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function concatenated(files: readonly string[]): Readable {
  return Readable.from(
    (async function* () {
      for (const file of files) yield* createReadStream(file);
    })(),
  );
}
