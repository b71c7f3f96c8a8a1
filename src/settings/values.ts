/**
 * Readers for the text of a variable: each gives its value or default, or tells what it must be.
 */
import path from 'node:path';
import * as z from 'zod/mini';
import { isNetwork } from './network';

/**
 * Two lines that became one may hold a secret, and these words reach a job's log: the variable and
 * its file say enough.
 */
function shown(text: string): string {
  return JSON.stringify(text.length > 24 ? `${text.slice(0, 12)}…` : text);
}

/** A variable with its default, and a reader that gives undefined for text it can't take. */
export function setting<T>(fallback: T, read: (text: string) => T | undefined, must: string) {
  return z.pipe(
    z.optional(z.string()),
    z.transform((text, context): T => {
      if (text === undefined) return fallback;
      const value = read(text.trim());
      if (value !== undefined) return value;
      context.issues.push({ code: 'custom', message: `${must}, but is ${shown(text)}`, input: text });
      return z.NEVER;
    }),
  );
}

export const text = z.optional(z.string());
const number = (pattern: RegExp, minimum: number, maximum: number) => (value: string) => {
  const parsed = pattern.test(value) ? Number(value) : NaN;
  return parsed >= minimum && parsed <= maximum ? parsed : undefined;
};
export const count = (fallback: number, minimum: number, maximum: number) =>
  setting(fallback, number(/^\d+$/, minimum, maximum), `must be a whole number between ${minimum} and ${maximum}`);
export const seconds = (fallback: number, minimum: number, maximum: number) =>
  setting(
    fallback * 1000,
    (value) => {
      const parsed = number(/^\d+(\.\d+)?$/, minimum, maximum)(value);
      return parsed === undefined ? undefined : Math.round(parsed * 1000);
    },
    `must be a number of seconds between ${minimum} and ${maximum}`,
  );
export const oneOf = <T extends string>(fallback: T, ...values: T[]) =>
  setting<T>(fallback, (value) => values.find((one) => one === value), `must be ${values.join(' or ')}`);
export const flag = setting(
  false,
  (value) => ({ '1': true, true: true, yes: true, '0': false, false: false, no: false })[value.toLowerCase()],
  'must be true or false',
);
export const absolute = (value: string): string | undefined =>
  path.isAbsolute(value) ? path.normalize(value) : undefined;
export const absolutePath = (fallback: string) => setting(fallback, absolute, 'must be an absolute path');
/** On the instance; `{job}` stands for the stack's name. */
export const remoteDirectory = (fallback: string) =>
  setting(
    fallback,
    (value) => (/^\/[\w./{}-]*$/.test(value) ? value : undefined),
    'must be an absolute path without spaces',
  );
export const list = (item: RegExp, must: string) =>
  setting<readonly string[]>(
    [],
    (value) => {
      const items = value.split(/[\s,]+/).filter((one) => one !== '');
      return items.every((one) => item.test(one)) ? items : undefined;
    },
    must,
  );
export const amount = setting<number | undefined>(
  undefined,
  number(/^\d+(\.\d+)?$/, 0, 1e9),
  'must be an amount, such as 300',
);
export const matching = (pattern: RegExp, must: string) =>
  setting<string | undefined>(undefined, (value) => (pattern.test(value) ? value : undefined), must);

export const webUrl = (value: string): string | undefined =>
  /^https?:\/\/\S+$/.test(value) && URL.canParse(value) ? value : undefined;

/** A URL that holds a secret: nothing of it is shown where it is none. */
export const secretUrl = z.pipe(
  z.optional(z.string()),
  z.transform((text, context): string | undefined => {
    if (text === undefined || webUrl(text.trim()) !== undefined) return text?.trim();
    context.issues.push({ code: 'custom', message: 'must be a URL such as https://HOST/PATH', input: '' });
    return z.NEVER;
  }),
);

/** Two halves are the whole Internet too; nobody has more than a /8 of their own. */
const WIDEST_BITS = 8;

/** Undefined: one of them is no address, or lets everybody in to the instances' SSH port. */
export function readCidrs(value: string): readonly string[] | undefined {
  const items = value.split(/[\s,]+/).filter((one) => one !== '');
  return items.every((item) => isNetwork(item) && Number(item.split('/')[1] ?? 32) >= WIDEST_BITS) ? items : undefined;
}

/** Amounts by project; undefined for text that is none. */
export function readProjectBudgets(value: string): Record<string, number> | undefined {
  const entries = value
    .split(/[\s,]+/)
    .filter((one) => one !== '')
    .map((one) => /^([^=\s]+)=(\d+(?:\.\d+)?)$/.exec(one));
  if (entries.some((one) => one === null)) return undefined;
  return Object.fromEntries(entries.map((one) => [one![1]!, Number(one![2])]));
}

/** `1/3` or `0.25`; undefined for text that is no part of one. */
export function readShare(value: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(?:\/(\d+))?$/.exec(value);
  const share = match ? Number(match[1]) / Number(match[2] ?? 1) : NaN;
  return share > 0 && share <= 1 ? share : undefined;
}
