import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { commands } from '../../src/cli/commands';

const root = path.resolve(__dirname, '../..');
const text = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Every source of the product, as one text each. */
const sources = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(path.join(root, 'src', name), 'utf8'));

describe('troubleshooting.md', () => {
  const messages = [...text('docs/troubleshooting.md').matchAll(/^### (.+)$/gm)].map((match) => match[1]!);

  it.each(messages)('quotes a message that the product has: %s', (message) => {
    const parts = message.split('…').filter((part) => part.trim() !== '');
    // A template literal escapes its backticks, a quoted text its apostrophes.
    const inOne = sources.filter((source) => {
      const plain = source.replace(/\\([`'])/g, '$1');
      return parts.every((part) => plain.includes(part.trim()));
    });
    expect({ message, found: inOne.length > 0 }).toEqual({ message, found: true });
  });
});

describe.each(pages)('%s', (page) => {
  it('links only to what is there', () => {
    const links = [...text(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map((match) => match[1]!);
    const missing = links.filter((link) => !existsSync(path.join(root, path.dirname(page), link)));
    expect(missing).toEqual([]);
  });

  it('names only commands and files that exist', () => {
    const known = commands.map(({ command }) => String(command).split(' ')[0]);
    const named = [...text(page).matchAll(/gitlab-spot ([a-z][a-z-]*)\b/g)].map((match) => match[1]!);
    const unknown = named.filter((name) => !known.includes(name) && !['completion'].includes(name));
    expect(unknown).toEqual([]);
    const files = [...text(page).matchAll(/`((?:deploy|stacks|docs|src)\/[\w./-]*\w)`/g)].map((match) => match[1]!);
    expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
  });

  it('speaks only of scripts that package.json has', () => {
    const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };
    const named = [...text(page).matchAll(/npm run (?:--silent )?([a-z-]+)/g)].map((match) => match[1]!);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it('speaks only of settings that the product reads', () => {
    const all = sources.join('\n');
    const named = [...text(page).matchAll(/\bGITLAB_SPOT_[A-Z_]+[A-Z]\b/g)].map((match) => match[0]);
    expect(named.filter((name) => !all.includes(name))).toEqual([]);
  });
});

describe('operating.md', () => {
  it.each(commands.map(({ command }) => String(command).split(' ')[0]!))('tells of gitlab-spot %s', (name) => {
    expect(text('docs/operating.md')).toContain(`gitlab-spot ${name}`);
  });
});

describe('README.md and README.zh-CN.md', () => {
  const shape = (file: string) => ({
    headings: [...text(file).matchAll(/^(#+) /gm)].map((match) => match[1]!.length),
    blocks: [...text(file).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
      .filter((match) => match[1] !== '')
      .map((match) => match[2]!.replace(/ *#.*$/gm, '')),
    links: [...text(file).matchAll(/\]\(((?!README)[^)]+)\)/g)].map((match) => match[1]!),
  });

  it('have the same headings, commands, samples and links', () => {
    expect(shape('README.zh-CN.md')).toEqual(shape('README.md'));
  });
});
