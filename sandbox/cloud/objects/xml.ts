/** As much XML as an object store's answers need. */

/** Text, a list of equal elements, or elements by name. */
export type Xml = string | number | boolean | readonly Xml[] | { readonly [name: string]: Xml | undefined };

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** `{ Error: { Code: 'x' } }` becomes a document. */
export function xmlDocument(root: { readonly [name: string]: Xml }): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${elements(root)}`;
}

function elements(parent: { readonly [name: string]: Xml | undefined }): string {
  return Object.entries(parent)
    .filter((entry): entry is [string, Xml] => entry[1] !== undefined)
    .map(([name, value]) => (isList(value) ? value.map((one) => element(name, one)).join('') : element(name, value)))
    .join('');
}

function isList(value: Xml): value is readonly Xml[] {
  return Array.isArray(value);
}

function element(name: string, value: Xml): string {
  const inner =
    typeof value === 'object' ? elements(value as { readonly [name: string]: Xml }) : escapeXml(String(value));
  return `<${name}>${inner}</${name}>`;
}

/** The texts of all elements of that name, at any depth. */
export function textsOf(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map((match) => unescapeXml(match[1] ?? ''));
}

function unescapeXml(text: string): string {
  const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(#x?[0-9a-fA-F]+|\w+);/g, (whole, entity: string) => {
    if (entity.startsWith('#x')) return String.fromCodePoint(Number.parseInt(entity.slice(2), 16));
    return entity.startsWith('#') ? String.fromCodePoint(Number(entity.slice(1))) : (named[entity] ?? whole);
  });
}
