import { createHash } from 'node:crypto';
import style from './page/style.css';
import html from './page/page.html';
import type { BoardSnapshot } from './types';

const scriptText = /<script>([\s\S]*)<\/script>/.exec(html)?.[1] ?? '';

/** What the page may do: run its own script, in its own style, and ask this server. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `script-src ${hashOf(scriptText)}`,
  `style-src ${hashOf(style)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * The page with the present snapshot in it.
 * @param snapshot undefined: the page asks for the token instead
 */
export function boardPage(snapshot: BoardSnapshot | undefined): string {
  const data = snapshot === undefined ? '' : inert(JSON.stringify(snapshot));
  // Functions, since in a replacement text `$` has a meaning.
  return html
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('data-is="snapshot"></script>', () => `data-is="snapshot">${data}</script>`);
}

/** JSON that can stand in a script element without ending it. */
function inert(json: string): string {
  return json.replace(/[<\u2028\u2029]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
