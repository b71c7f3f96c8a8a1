import * as z from 'zod/mini';
import { currencyOf } from '../currency';

/** What the API's answers are made of: lists, texts, numbers, times, tags. */

/** Lists come as `{Things: {Thing: […]}}`, and are left out or null when empty. */
export const nested = <S extends z.ZodMiniType>(key: string, item: S) =>
  z.pipe(
    z.pipe(
      z.optional(z.nullable(z.record(z.string(), z.unknown()))),
      z.transform((value): unknown => value?.[key] ?? []),
    ),
    z.array(item),
  );
/** '' where it is left out. */
export const text = z.pipe(
  z.optional(z.nullable(z.union([z.string(), z.number(), z.boolean()]))),
  z.transform((value) => String(value ?? '')),
);
const finite = z.number().check(z.refine((value) => Number.isFinite(value), 'must be a number'));
/** What must not be left out. */
export const told = z.pipe(z.pipe(z.union([z.number(), z.string().check(z.regex(/\d/))]), z.transform(Number)), finite);
/** 0 where it is left out. */
export const number = z.pipe(
  z.pipe(
    z.optional(z.nullable(z.union([z.number(), z.string()]))),
    z.transform((value) => Number(value ?? 0)),
  ),
  finite,
);
/**
 * How many there are in all: without it a first page could not be told from the whole list, nor an
 * empty list from half an answer.
 */
export const count = z.pipe(
  z.pipe(z.union([z.number(), z.string()]), z.transform(Number)),
  z.int().check(z.nonnegative()),
);
/** '' where it is none. */
export const time = z.pipe(
  text,
  z.transform((value) => (Number.isNaN(Date.parse(value)) ? '' : value)),
);

export const currency = z.pipe(
  text,
  z.transform((value) => currencyOf(value)),
);

const tag = z.object({ TagKey: text, TagValue: text, Key: text, Value: text });
export const tags = z.pipe(
  nested('Tag', tag),
  z.transform((list) => Object.fromEntries(list.map((one) => [one.TagKey || one.Key, one.TagValue || one.Value]))),
);
