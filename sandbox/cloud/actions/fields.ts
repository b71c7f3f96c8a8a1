/** Parameters as they come (all text), and the parts of answers that many actions share. */
import { z } from 'zod';
import { ApiError } from '../server/errors';
import type { Tags } from '../model/records';

export const text = z.string();

export function integer(min: number, max: number) {
  return z
    .string()
    .regex(/^-?\d{1,9}$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max));
}

export const yuan = z
  .string()
  .regex(/^\d{1,6}(\.\d+)?$/)
  .transform(Number);

export const flag = z
  .string()
  .regex(/^(true|false)$/i)
  .transform((value) => value.toLowerCase() === 'true');

/** `["a","b"]`, or `a,b` where the API takes that too. */
export const jsonList = z.string().transform((value, issues) => {
  if (!value.trimStart().startsWith('[')) return value.split(',').map((part) => part.trim());
  try {
    return z.array(z.string()).max(100).parse(JSON.parse(value));
  } catch {
    issues.addIssue({ code: 'custom', message: 'The specified parameter is not a JSON list of at most 100 strings.' });
    return z.NEVER;
  }
});

export const textList = z.array(text).max(100);

const tag = z.object({ Key: text, Value: text.default('') });

/** Tags for something to be made. */
export const newTags = z
  .array(tag)
  .max(20, { message: 'The specified tags exceed the limit of 20.' })
  .default([])
  .transform((tags, issues) => {
    for (const { Key, Value } of tags) {
      if (Key.length > 128 || /^(aliyun|acs:)/.test(Key) || /https?:\/\//.test(Key)) {
        issues.addIssue({
          code: 'custom',
          message: 'The specified Tag.n.Key is not valid.',
          params: { code: 'InvalidTagKey.Malformed' },
        });
      }
      if (Value.length > 128 || /https?:\/\//.test(Value)) {
        issues.addIssue({
          code: 'custom',
          message: 'The specified Tag.n.Value is not valid.',
          params: { code: 'InvalidTagValue.Malformed' },
        });
      }
    }
    return Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value])) as Tags;
  });

/** Tags to look for: a key alone matches any value. */
export const tagFilter = z
  .array(z.object({ Key: text, Value: text.optional() }))
  .max(20)
  .default([]);

export function hasTags(tags: Tags, wanted: z.output<typeof tagFilter>): boolean {
  return wanted.every(({ Key, Value }) => tags[Key] !== undefined && (Value === undefined || tags[Key] === Value));
}

/** Tags as ECS answers them. */
export function tagSet(tags: Tags): { Tag: readonly { readonly TagKey: string; readonly TagValue: string }[] } {
  return { Tag: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })) };
}

/** Tags as VPC answers them. */
export function vpcTagSet(tags: Tags): { Tag: readonly { readonly Key: string; readonly Value: string }[] } {
  return { Tag: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
}

export const paging = {
  PageNumber: integer(1, 100_000).default(1),
  PageSize: integer(1, 100).optional(),
  MaxResults: integer(1, 100).optional(),
  NextToken: text.optional(),
};

interface Page {
  readonly PageNumber: number;
  readonly PageSize?: number | undefined;
  readonly MaxResults?: number | undefined;
  readonly NextToken?: string | undefined;
}

/** One page, by number or by token, with the fields that say so. */
export function page<T>(
  all: readonly T[],
  wanted: Page,
  defaultSize = 50,
): { items: readonly T[]; fields: Record<string, unknown> } {
  if (wanted.MaxResults === undefined && wanted.NextToken === undefined) {
    const size = wanted.PageSize ?? defaultSize;
    const start = (wanted.PageNumber - 1) * size;
    return {
      items: all.slice(start, start + size),
      fields: { TotalCount: all.length, PageNumber: wanted.PageNumber, PageSize: size },
    };
  }
  const size = wanted.MaxResults ?? wanted.PageSize ?? defaultSize;
  const start = wanted.NextToken === undefined ? 0 : offsetOf(wanted.NextToken);
  const end = start + size;
  const next = end < all.length ? Buffer.from(`offset:${end}`).toString('base64') : '';
  return {
    items: all.slice(start, end),
    fields: { TotalCount: all.length, PageNumber: 1, PageSize: size, NextToken: next },
  };
}

function offsetOf(token: string): number {
  const match = /^offset:(\d+)$/.exec(Buffer.from(token, 'base64').toString());
  if (!match) throw new ApiError(400, 'InvalidNextToken', 'The specified NextToken is not valid.');
  return Number(match[1]);
}

/** `*` stands for any text, as in DescribeInstances' InstanceName. */
export function matchesPattern(value: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(value);
}
