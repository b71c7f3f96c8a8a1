/**
 * What of cloud-init's user data formats the sandbox understands: cloud-config, shell scripts, and
 * MIME archives of both. As cloud-init does, it leaves out what it doesn't know or can't read, and
 * says so in the machine's journal.
 */
import { parse } from 'yaml';
import { z } from 'zod';

export interface FileToWrite {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
  readonly append: boolean;
}

/** A command list as argv, or a line for `sh -c`. */
export type BootCommand = string | readonly string[];

export interface UserData {
  readonly authorizedKeys: readonly string[];
  /** By key type (`ed25519`), the private half in OpenSSH's PEM form. */
  readonly hostKeys: Readonly<Record<string, string>>;
  readonly files: readonly FileToWrite[];
  readonly hostname: string | undefined;
  readonly userNames: readonly string[];
  /** Before the SSH server starts. */
  readonly bootCommands: readonly BootCommand[];
  /** After the machine is up, in order. */
  readonly runCommands: readonly BootCommand[];
  /** Whole `#!` scripts, after runCommands. */
  readonly scripts: readonly string[];
  /** What could not be used, for the journal. */
  readonly complaints: readonly string[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

const text = z.union([z.string(), z.number()]).transform(String);
const command = z.union([z.string(), z.array(text)]);
const file = z.object({
  path: z.string(),
  content: z.string().default(''),
  encoding: z.string().default('text/plain'),
  permissions: text.default('0644'),
  append: z.boolean().default(false),
});

/** Reads user data as RunInstances got it, already decoded from base64. Never throws. */
export function parseUserData(userData: string): UserData {
  const result = empty();
  readPart(userData, undefined, result);
  return result;
}

function empty(): Mutable<UserData> {
  return {
    authorizedKeys: [],
    hostKeys: {},
    files: [],
    hostname: undefined,
    userNames: [],
    bootCommands: [],
    runCommands: [],
    scripts: [],
    complaints: [],
  };
}

/** The first line decides what a part is; in an archive a content type may say it as well. */
function readPart(part: string, contentType: string | undefined, into: Mutable<UserData>): void {
  if (part.trim() === '') return;
  if (/^(content-type:\s*multipart\/|mime-version:)/i.test(part)) readArchive(part, into);
  else if (part.startsWith('#cloud-config') || contentType === 'text/cloud-config') readCloudConfig(part, into);
  else if (part.startsWith('#!') || contentType === 'text/x-shellscript') into.scripts.push(part);
  else if (part.startsWith('#cloud-boothook')) into.bootCommands.push(part);
  else if (/^## *template: *jinja/.test(part)) readPart(part.replace(/^.*\n/, ''), contentType, into);
  else into.complaints.push(`user data of an unknown kind is left out: ${JSON.stringify(part.slice(0, 40))}`);
}

function readArchive(archive: string, into: Mutable<UserData>): void {
  const [head] = splitHead(archive);
  const boundary = /boundary="?([^";\s]+)"?/i.exec(head)?.[1];
  if (boundary === undefined) return void into.complaints.push('a MIME archive without a boundary is left out');
  const parts = archive.split(new RegExp(`^--${escape(boundary)}(?:--)?[ \\t]*\\r?$`, 'm')).slice(1);
  for (const part of parts.map((each) => each.replace(/^\n/, '')).filter((each) => each.trim() !== '')) {
    const [headers, body] = splitHead(part);
    const type = /^content-type:\s*([^;\s]+)/im.exec(headers)?.[1]?.toLowerCase();
    const isBase64 = /^content-transfer-encoding:\s*base64/im.test(headers);
    readPart(isBase64 ? Buffer.from(body, 'base64').toString('utf8') : body, type, into);
  }
}

function splitHead(message: string): readonly [string, string] {
  const match = /\r?\n\r?\n/.exec(message);
  return match === null ? [message, ''] : [message.slice(0, match.index), message.slice(match.index + match[0].length)];
}

function escape(literal: string): string {
  return literal.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function readCloudConfig(source: string, into: Mutable<UserData>): void {
  let config: unknown;
  try {
    config = parse(source);
  } catch (error) {
    return void into.complaints.push(`cloud-config is not YAML: ${(error as Error).message.split('\n')[0] ?? ''}`);
  }
  const take = takeFrom(config, into.complaints);
  into.authorizedKeys.push(...take('ssh_authorized_keys', z.array(z.string()), []));
  into.hostname = take('hostname', z.string().optional(), into.hostname);
  for (const [name, key] of Object.entries(take('ssh_keys', z.record(z.string(), z.string()), {}))) {
    const type = /^(.+)_private$/.exec(name)?.[1];
    if (type !== undefined) into.hostKeys = { ...into.hostKeys, [type]: key };
  }
  for (const user of take('users', z.array(z.unknown()), [])) {
    if (typeof user !== 'object' || user === null) continue;
    const takeUser = takeFrom(user, into.complaints);
    const name = takeUser('name', z.string().optional(), undefined);
    if (name !== undefined) into.userNames.push(name);
    into.authorizedKeys.push(...takeUser('ssh_authorized_keys', z.array(z.string()), []));
  }
  into.files.push(...take('write_files', z.array(file), []).map(fileToWrite));
  into.bootCommands.push(...take('bootcmd', z.array(command), []));
  into.runCommands.push(...take('runcmd', z.array(command), []));
}

/** Reads one key at a time, so that a mistake in one doesn't lose the others. */
function takeFrom(config: unknown, complaints: string[]) {
  const record = (typeof config === 'object' && config !== null ? config : {}) as Record<string, unknown>;
  return <T>(key: string, schema: z.ZodType<T>, otherwise: T): T => {
    if (record[key] === undefined || record[key] === null) return otherwise;
    const result = schema.safeParse(record[key]);
    if (result.success) return result.data;
    complaints.push(`cloud-config's ${key} is left out: ${result.error.issues[0]?.message ?? 'of an unknown shape'}`);
    return otherwise;
  };
}

function fileToWrite(entry: z.infer<typeof file>): FileToWrite {
  const isBase64 = /^(b64|base64)$/.test(entry.encoding);
  return {
    path: entry.path,
    content: Buffer.from(entry.content, isBase64 ? 'base64' : 'utf8'),
    mode: Number.parseInt(entry.permissions, 8),
    append: entry.append,
  };
}
