import { decodeStruct, decodeValue, eachField, encodeStruct, encodeValue } from './struct';
import { Reader, Writer } from './wire';
import { type Properties, type Value } from './values';

/** How one kind of value is written, read, and shown in a log; `T` is its type here. */
export interface Kind<T> {
  wireType: number;
  write(writer: Writer, value: T): void;
  read(reader: Reader): T;
  /** What a field holds that the message does not mention. */
  empty(): T;
  isEmpty(value: T): boolean;
  toJson(value: T): unknown;
}

/** A field of a message: its number, its kind, and whether it may be repeated or keyed. */
export interface Field<T> {
  number: number;
  kind: Kind<unknown>;
  cardinality: 'one' | 'many' | 'map';
  empty(): T;
}

type Fields = Record<string, Field<unknown>>;
type Decoded<F extends Fields> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** A message type: encodes plain objects, decodes to plain objects with every field present. */
export interface Message<T> {
  encode(value: Partial<T>): Buffer;
  decode(bytes: Buffer): T;
  /** As protojson shows it: without fields that hold their empty value. */
  toJson(value: Partial<T>): Record<string, unknown>;
}

/** The type of the objects that a message decodes to. */
export type Infer<M> = M extends Message<infer T> ? T : never;

const scalar = <T>(
  wireType: number,
  write: Kind<T>['write'],
  read: Kind<T>['read'],
  empty: T,
  json = (v: T): unknown => v,
) => ({ wireType, write, read, empty: () => empty, isEmpty: (v) => v === empty, toJson: json }) satisfies Kind<T>;

const stringKind = scalar<string>(
  2,
  (w, v) => w.bytes(Buffer.from(v)),
  (r) => r.bytes().toString(),
  '',
);
const boolKind = scalar<boolean>(
  0,
  (w, v) => w.varint(v ? 1 : 0),
  (r) => r.varint() !== 0,
  false,
);
const int32Kind = scalar<number>(
  0,
  (w, v) => w.varint(v),
  (r) => r.varint(),
  0,
);
const doubleKind = scalar<number>(
  1,
  (w, v) => w.double(v),
  (r) => r.double(),
  0,
);
const bytesKind: Kind<Buffer> = {
  ...scalar<Buffer>(
    2,
    (w, v) => w.bytes(v),
    (r) => r.bytes(),
    Buffer.alloc(0),
    (v) => v.toString('base64'),
  ),
  isEmpty: (v) => v.length === 0,
};

const nested = <T>(
  write: (value: T) => Buffer,
  read: (bytes: Buffer) => T,
  json: (value: T) => unknown,
): Kind<T | undefined> => ({
  wireType: 2,
  write: (w, v) => w.bytes(write(v as T)),
  read: (r) => read(r.bytes()),
  empty: () => undefined,
  isEmpty: (v) => v === undefined,
  toJson: (v) => json(v as T),
});

const one = <T>(number: number, kind: Kind<T>): Field<T> => ({
  number,
  kind: kind as Kind<unknown>,
  cardinality: 'one',
  empty: kind.empty,
});

export const string = (number: number) => one(number, stringKind);
export const bool = (number: number) => one(number, boolKind);
export const int32 = (number: number) => one(number, int32Kind);
export const double = (number: number) => one(number, doubleKind);
export const bytes = (number: number) => one(number, bytesKind);
export const struct = (number: number) =>
  one(
    number,
    nested<Properties>(encodeStruct, decodeStruct, (v) => v),
  );
export const value = (number: number) =>
  one(
    number,
    nested<Value>(encodeValue, decodeValue, (v) => v),
  );
/** A field that tells "not there" from its empty value (proto3 `optional`). */
export const optional = <T>(field: Field<T>): Field<T | undefined> => ({
  ...field,
  kind: { ...field.kind, empty: () => undefined, isEmpty: (v) => v === undefined },
  empty: () => undefined,
});
export const enumeration = <N extends string>(number: number, names: readonly N[]): Field<N> => {
  const json = scalar<N>(
    0,
    (w, v) => w.varint(names.indexOf(v)),
    (r) => names[r.varint()] ?? names[0]!,
    names[0]!,
  );
  return one(number, json);
};
export const message = <T>(number: number, type: Message<T>) =>
  one(
    number,
    nested<Partial<T>>(
      (v) => type.encode(v),
      (b) => type.decode(b),
      (v) => type.toJson(v),
    ),
  ) as Field<T | undefined>;
export const repeated = <T>(field: Field<T>): Field<NonNullable<T>[]> => ({
  ...field,
  cardinality: 'many',
  empty: () => [],
});
/** map<string, T>. */
export const map = <T>(field: Field<T>): Field<Record<string, NonNullable<T>>> => ({
  ...field,
  cardinality: 'map',
  empty: () => ({}),
});

/** Describes a message type by its fields, named as protojson names them. */
export function define<F extends Fields>(fields: F): Message<Decoded<F>> {
  const byNumber = new Map(Object.entries(fields).map(([name, field]) => [field.number, { name, field }]));
  return {
    encode(value) {
      const writer = new Writer();
      for (const [name, field] of Object.entries(fields))
        writeField(writer, field, (value as Record<string, unknown>)[name]);
      return writer.finish();
    },
    decode(bytes) {
      const result = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.empty()]));
      eachField(bytes, (number, reader, wireType) => {
        const known = byNumber.get(number);
        if (known) readField(result, known.name, known.field, reader, wireType);
        return known !== undefined;
      });
      return result as Decoded<F>;
    },
    toJson(value) {
      const result: Record<string, unknown> = {};
      for (const [name, field] of Object.entries(fields)) {
        const json = fieldToJson(field, (value as Record<string, unknown>)[name]);
        if (json !== undefined) result[name] = json;
      }
      return result;
    },
  };
}

function writeField(writer: Writer, { number, kind, cardinality }: Field<unknown>, value: unknown): void {
  if (value === undefined) return;
  if (cardinality === 'many') {
    for (const item of value as unknown[]) kind.write(writer.tag(number, kind.wireType), item);
  } else if (cardinality === 'map') {
    for (const [key, item] of Object.entries(value as object)) {
      const entry = new Writer().tag(1, 2).bytes(Buffer.from(key));
      kind.write(entry.tag(2, kind.wireType), item);
      writer.tag(number, 2).bytes(entry.finish());
    }
  } else if (!kind.isEmpty(value)) kind.write(writer.tag(number, kind.wireType), value);
}

function readField(
  result: Record<string, unknown>,
  name: string,
  field: Field<unknown>,
  reader: Reader,
  wireType: number,
): void {
  const { kind, cardinality } = field;
  if (cardinality === 'map') {
    let key = '';
    let item = kind.empty();
    eachField(reader.bytes(), (number, entry) => {
      if (number === 1) key = entry.bytes().toString();
      else item = kind.read(entry);
      return true;
    });
    (result[name] as Record<string, unknown>)[key] = item;
  } else if (cardinality === 'many') {
    const items = result[name] as unknown[];
    if (wireType === 2 && kind.wireType === 0) readPacked(items, kind, reader.bytes());
    else items.push(kind.read(reader));
  } else result[name] = kind.read(reader);
}

/** Repeated numbers may come packed into one field. */
function readPacked(items: unknown[], kind: Kind<unknown>, bytes: Buffer): void {
  const reader = new Reader(bytes);
  while (!reader.done) items.push(kind.read(reader));
}

function fieldToJson({ kind, cardinality }: Field<unknown>, value: unknown): unknown {
  if (value === undefined) return undefined;
  if (cardinality === 'many') {
    const items = value as unknown[];
    return items.length ? items.map((item) => kind.toJson(item)) : undefined;
  }
  if (cardinality === 'map') {
    const entries = Object.entries(value as object);
    return entries.length ? Object.fromEntries(entries.map(([key, item]) => [key, kind.toJson(item)])) : undefined;
  }
  return kind.isEmpty(value) ? undefined : kind.toJson(value);
}
