/**
 * Signature version 1 of the RPC-style API: HMAC-SHA1 over method and all parameters, query and
 * form alike.
 */
import { createHmac } from 'node:crypto';

export function signature(method: 'GET' | 'POST', params: Readonly<Record<string, string>>, secret: string): string {
  const canonical = Object.keys(params)
    .sort()
    .map((name) => `${encode(name)}=${encode(params[name] ?? '')}`)
    .join('&');
  return createHmac('sha1', `${secret}&`)
    .update(`${method}&${encode('/')}&${encode(canonical)}`)
    .digest('base64');
}

/** RFC 3986: everything but letters, digits and -_.~ */
export function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
