/**
 * Request parameters: query and form are one set, and `Tag.1.Key` is a path into lists and objects.
 */
import type { IncomingMessage } from 'node:http';
import { ApiError } from './errors';

export type Parameters = Readonly<Record<string, string>>;

export type Nested = string | readonly Nested[] | { readonly [name: string]: Nested };

const LARGEST_BODY_BYTES = 4 * 1024 * 1024;

/** The body as sent. Throws `ApiError` when it is larger than the API takes. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY_BYTES) throw new ApiError(413, 'RequestEntityTooLarge', 'The request body is too large.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * One of the provider's two clients sends all in the query, the other splits query and form: both
 * are merged.
 */
export function mergeParameters(query: string, contentType: string, body: string): Parameters {
  const merged: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(query)) merged[name] = value;
  if (contentType.includes('x-www-form-urlencoded')) {
    for (const [name, value] of new URLSearchParams(body)) merged[name] = value;
  }
  return merged;
}

interface Branch {
  value?: string;
  readonly children: Map<string, Branch>;
}

/**
 * `{ 'Tag.1.Key': 'a' }` becomes `{ Tag: [{ Key: 'a' }] }`. Empty values count as not sent, as at
 * the real API.
 */
export function nest(parameters: Parameters): { readonly [name: string]: Nested } {
  const root: Branch = { children: new Map() };
  for (const [name, value] of Object.entries(parameters)) {
    if (value === '') continue;
    let branch = root;
    for (const part of name.split('.')) {
      const next = branch.children.get(part) ?? { children: new Map() };
      branch.children.set(part, next);
      branch = next;
    }
    branch.value = value;
  }
  return unfold(root) as { readonly [name: string]: Nested };
}

function unfold(branch: Branch): Nested {
  if (branch.children.size === 0 && branch.value !== undefined) return branch.value;
  const entries = [...branch.children];
  if (entries.length > 0 && entries.every(([name]) => /^\d{1,4}$/.test(name))) {
    return entries.sort(([a], [b]) => Number(a) - Number(b)).map(([, child]) => unfold(child));
  }
  return Object.fromEntries(entries.map(([name, child]) => [name, unfold(child)]));
}
