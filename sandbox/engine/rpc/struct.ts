import { Reader, Writer } from './wire';
import { type Properties, type Value } from './values';

/** google.protobuf.Struct to bytes; undefined entries are left out. */
export function encodeStruct(value: Properties): Buffer {
  const writer = new Writer();
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const entry = new Writer().tag(1, 2).bytes(Buffer.from(key)).tag(2, 2).bytes(encodeValue(item));
    writer.tag(1, 2).bytes(entry.finish());
  }
  return writer.finish();
}

/** google.protobuf.Value to bytes. */
export function encodeValue(value: Value): Buffer {
  const writer = new Writer();
  if (value === null) return writer.tag(1, 0).varint(0).finish();
  if (typeof value === 'number') return writer.tag(2, 1).double(value).finish();
  if (typeof value === 'string') return writer.tag(3, 2).bytes(Buffer.from(value)).finish();
  if (typeof value === 'boolean')
    return writer
      .tag(4, 0)
      .varint(value ? 1 : 0)
      .finish();
  if (!Array.isArray(value)) return writer.tag(5, 2).bytes(encodeStruct(value)).finish();
  const list = new Writer();
  for (const item of value) list.tag(1, 2).bytes(encodeValue(item));
  return writer.tag(6, 2).bytes(list.finish()).finish();
}

/** Bytes to google.protobuf.Struct. */
export function decodeStruct(bytes: Buffer): Properties {
  // Not an assignment for each: a key may be `__proto__`.
  const entries: [string, Value][] = [];
  eachField(bytes, (field, reader) => {
    if (field !== 1) return false;
    let key = '';
    let value: Value = null;
    eachField(reader.bytes(), (part, entry) => {
      if (part === 1) key = entry.bytes().toString();
      else if (part === 2) value = decodeValue(entry.bytes());
      else return false;
      return true;
    });
    entries.push([key, value]);
    return true;
  });
  return Object.fromEntries(entries);
}

/** Bytes to google.protobuf.Value. */
export function decodeValue(bytes: Buffer): Value {
  let result: Value = null;
  eachField(bytes, (field, reader) => {
    if (field === 1) reader.varint();
    else if (field === 2) result = reader.double();
    else if (field === 3) result = reader.bytes().toString();
    else if (field === 4) result = reader.varint() !== 0;
    else if (field === 5) result = decodeStruct(reader.bytes());
    else if (field === 6) result = decodeList(reader.bytes());
    else return false;
    return true;
  });
  return result;
}

function decodeList(bytes: Buffer): Value[] {
  const items: Value[] = [];
  eachField(bytes, (field, reader) => field === 1 && items.push(decodeValue(reader.bytes())) > 0);
  return items;
}

/** Calls `read` for each field of a message; a field that it refuses (returns false) is skipped. */
export function eachField(bytes: Buffer, read: (field: number, reader: Reader, wireType: number) => boolean): void {
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = reader.varint();
    if (!read(Math.floor(tag / 8), reader, tag % 8)) reader.skip(tag % 8);
  }
}
