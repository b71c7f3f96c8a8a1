/** The values of one YAML document, as Ruby's Psych makes them, which GitLab reads with. */
import { isAlias, isMap, isPair, isScalar, isSeq, Scalar, type Document } from 'yaml';
import { isMapping, Reference, type Mapping } from './values';

/** Told where a value is one that GitLab refuses. */
export type Refuse = (offset: number, sentence: string) => void;

/** What comes several times by aliases is one object. */
export function valuesOf(document: Document.Parsed, refuse: Refuse): unknown {
  return new Values(refuse).of(document.contents);
}

class Values {
  private readonly anchors = new Map<string, unknown>();

  constructor(private readonly refuse: Refuse) {}

  of(node: unknown): unknown {
    if (isAlias(node)) return this.alias(node.source, offsetOf(node));
    const value = this.plain(node);
    const anchor = (node as { readonly anchor?: string } | null)?.anchor;
    if (anchor !== undefined) this.anchors.set(anchor, value);
    return value;
  }

  private plain(node: unknown): unknown {
    if (isScalar(node)) return this.scalar(node);
    if (isMap(node)) return this.mapping(node.items);
    if (!isSeq(node)) return null;
    const items = node.items.map((item) => this.of(item));
    return node.tag === '!reference' ? new Reference(items.map(String)) : items;
  }

  private alias(name: string, offset: number): unknown {
    if (!this.anchors.has(name)) this.refuse(offset, NO_ANCHOR);
    return this.anchors.get(name);
  }

  /** A merge key takes the place of keys before it, and those behind it take its keys' place. */
  private mapping(items: readonly unknown[]): Mapping {
    const found = new Map<string, unknown>();
    for (const item of items.filter(isPair)) {
      const key = String(this.of(item.key) ?? '');
      const value = this.of(item.value);
      const merged = key === '<<' ? sourcesOf(value) : undefined;
      if (merged) for (const source of merged) for (const [name, one] of Object.entries(source)) found.set(name, one);
      else found.set(key, value);
    }
    return Object.fromEntries(found);
  }

  private scalar(node: Scalar): unknown {
    const text = String(node.value ?? '');
    const tag = node.tag?.replace('tag:yaml.org,2002:', '!!');
    if (tag === '!!float') return rubyFloat(Number(text));
    if (tag === '!!binary') return Buffer.from(text, 'base64').toString();
    if (tag !== '!!int' && (tag !== undefined || node.type !== Scalar.PLAIN)) return text;
    if (isDate(text)) this.refuse(offsetOf(node), `GitLab refuses \`${text}\` as a date: put it in quotes`);
    return plainValue(text);
  }
}

export const NO_ANCHOR = 'an alias (`*name`) has no anchor (`&name`) before it';

function offsetOf(node: { readonly range?: readonly number[] | null | undefined }): number {
  return node.range?.[0] ?? 0;
}

/** Of several, the first one has the last word. Undefined where one is no mapping. */
function sourcesOf(value: unknown): Mapping[] | undefined {
  const sources = Array.isArray(value) ? value.toReversed() : [value];
  return sources.every(isMapping) ? sources : undefined;
}

const DATE = /^\d{4}-(?:1[012]|0\d|\d)-(?:[12]\d|3[01]|0\d|\d)$/;
const TIME = /^-?\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|\s+)\d{1,2}:\d\d:\d\d(?:\.\d*)?(?:\s*(?:Z|[-+]\d{1,2}:?(?:\d\d)?))?$/;
const isDate = (text: string) => DATE.test(text) || TIME.test(text);

const FLOAT = /^[-+]?(?:\d[\d_,]*)?\.\d*(?:[eE][-+]\d+)?$/;
const INTEGER = /^[-+]?(?:0b[01_,]+|0[0-7_,]+|0|[1-9](?:\d|,\d|_\d)*|0x[\da-fA-F_,]+)$/;
const BASE_60 = /^[-+]?\d[\d_]*(?::[0-5]?\d){1,2}$/;

/** By the order and the expressions of Psych's `ScalarScanner`. */
function plainValue(text: string): unknown {
  if (/^(?:|~|null)$/i.test(text)) return null;
  if (/^(?:yes|true|on)$/i.test(text)) return true;
  if (/^(?:no|false|off)$/i.test(text)) return false;
  if (/^\+?\.inf$/i.test(text)) return 'Infinity';
  if (/^-\.inf$/i.test(text)) return '-Infinity';
  if (/^\.nan$/i.test(text)) return 'NaN';
  if (/^:./.test(text)) return text.replace(/^:(?:(["'])(.*)\1$)?/, '$2');
  if (BASE_60.test(text)) return base60(text);
  if (FLOAT.test(text) && !/^[-+]?\.$/.test(text)) return rubyFloat(Number(text.replace(/[,_]/g, '')));
  return INTEGER.test(text) ? integer(text.replace(/[,_]/g, '')) : text;
}

/** Ruby takes the first part for hours, also where there are two: 12:30 is 45,000. */
function base60(text: string): number {
  return text.split(':').reduce((sum, part, at) => sum + parseInt(part.replaceAll('_', ''), 10) * 60 ** (2 - at), 0);
}

/** A number with more digits than a computer's own stays text. */
function integer(text: string): number | string {
  const [, sign = '', digits = ''] = /^([-+]?)(.*)$/.exec(text) ?? [];
  const octal = /^0\d/.test(digits) ? `0o${digits.slice(1)}` : digits;
  const value = BigInt(octal) * (sign === '-' ? -1n : 1n);
  return value === BigInt.asIntN(53, value) ? Number(value) : String(value);
}

/** As text in Ruby's way of writing it, since a pipeline uses it as text: 3.10 is 3.1. */
function rubyFloat(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e16)) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [digits = '', exponent = ''] = value.toExponential().split('e');
  const power = exponent.slice(1).padStart(2, '0');
  return `${digits.includes('.') ? digits : `${digits}.0`}e${exponent[0]}${power}`;
}
