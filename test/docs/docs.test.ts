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

it('operating.md has every setting in its table', () => {
  const settings = [...text('src/settings/settings.ts').matchAll(/^ {2}(GITLAB_SPOT_\w+):/gm)].map(
    (match) => match[1]!,
  );
  expect(settings).toContain('GITLAB_SPOT_CLEANUP');
  const rows = [...text('docs/operating.md').matchAll(/^\|([^|]*)\|/gm)].map((match) => match[1]!).join();
  expect(settings.filter((name) => !rows.includes(`\`${name}\``))).toEqual([]);
});

describe('security.md', () => {
  const tests = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `test/${name}`);
  const rows = [...text('docs/security.md').matchAll(/^\|(?! who |[ -]*---)(.+)\|$/gm)].map((match) =>
    match[1]!.split(/(?<!\\)\|/).map((cell) => cell.trim()),
  );

  it.each(rows)('%s, who controls %s: names tests that are there', (_who, _controls, _stoppedBy, shownBy = '') => {
    const named = [...shownBy.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
    expect(named).not.toEqual([]);
    const found = named.map((name) =>
      tests.filter((one) => one === name || (!name.includes('/') && one.endsWith(`/${name}`))),
    );
    expect(found.map((each, at) => [named[at], each.length])).toEqual(named.map((name) => [name, 1]));
  });
});

/** The Chinese page of an English one. */
const chinese = (page: string): string => page.replace(/\.md$/, '.zh-CN.md');
const translated = pages.filter((page) => existsSync(path.join(root, chinese(page))));

const FENCED = /^```(\w*)\n([\s\S]*?)^```$/gm;
const prose = (page: string): string => text(page).replace(FENCED, '');
/** The prose below each heading, with the heading; what comes before the first is left out. */
const sections = (page: string): readonly string[] =>
  prose(page)
    .split(/^(?=#+ )/m)
    .filter((one) => one.startsWith('#'));
const headings = (page: string): readonly string[] => sections(page).map((section) => section.split('\n')[0]!);

/** The anchor that GitHub gives a heading. */
const anchor = (heading: string): string =>
  heading
    .replace(/^#+ /, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

interface Link {
  readonly link: string;
  /** The file, from the root, or the address. */
  readonly to: string;
  /** Which of the page's headings the anchor means; -1: none. */
  readonly heading?: number;
}

function linksOf(page: string): readonly Link[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => {
    const link = match[1]!;
    if (/^https?:/.test(link)) return { link, to: link };
    const [file, fragment] = link.split('#') as [string, string?];
    const to = file === '' ? page : path.posix.join(path.posix.dirname(page), file);
    if (fragment === undefined || !to.endsWith('.md')) return { link, to };
    return { link, to, heading: headings(to).map(anchor).indexOf(decodeURIComponent(fragment)) };
  });
}

it.each(pages)('%s names only headings that are there', (page) => {
  expect(linksOf(page).filter(({ heading }) => heading === -1)).toEqual([]);
});

describe.each(translated)('%s and its Chinese page', (english) => {
  const both = [english, chinese(english)] as const;
  const codes = (part: string): readonly string[] => [...part.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);

  /** The same of both pages, for each heading under its English name. */
  function level<T>(of: (section: string) => T): void {
    const [here, there] = both.map((page) => sections(page).map(of)) as [T[], T[]];
    const named = (parts: readonly T[]) => parts.map((part, index) => [headings(english)[index], part]);
    expect(named(there)).toEqual(named(here));
  }

  it('lead to each other at the top', () => {
    const [here, there] = both.map((page) => text(page).split(/^## /m)[0]);
    expect(here).toContain(`：[${path.basename(both[1])}](${path.basename(both[1])})`);
    expect(there).toContain(`English: [${path.basename(english)}](${path.basename(english)})`);
  });

  it('lead on in their own language, to the same places', () => {
    const [here, there] = both.map((page) =>
      linksOf(page).filter(({ to }) => !both.some((one) => one !== page && one === to)),
    );
    const inOwn = here!.map(({ to, heading }) => ({ to: translated.includes(to) ? chinese(to) : to, heading }));
    expect(there!.map(({ to, heading }) => ({ to, heading }))).toEqual(inOwn);
    expect(here!.filter(({ to }) => to.endsWith('.zh-CN.md'))).toEqual([]);
  });

  it('have the same headings, commands and samples', () => {
    const shape = (page: string) => ({
      headings: headings(page).map((heading) => /^#+/.exec(heading)![0]),
      blocks: [...text(page).matchAll(FENCED)]
        .filter((match) => match[1] !== '')
        .map((match) => match[2]!.replace(/ *#.*$/gm, '')),
    });
    expect(shape(both[1])).toEqual(shape(english));
  });

  it('have the same tables, row by row', () => {
    level((section) =>
      [...section.matchAll(/^\| *(.*?) *\|$/gm)].map((match) => {
        const [first, ...others] = match[1]!.split(/ *\| */);
        return [codes(first!), ...others.map((cell) => codes(cell).toSorted())];
      }),
    );
  });

  it('name the same commands, settings and files below each heading', () => {
    level((section) => [...new Set(codes(section).map((code) => code.replace(/\s+/g, ' ')))].toSorted());
  });

  it('give the same figures below each heading', () => {
    const figures = (section: string) => [...section.replace(/`[^`]*`|\]\([^)]*\)/g, '').matchAll(/\d+(?:[.,]\d+)*/g)];
    const [here, there] = both.map((page) => sections(page).map((section) => figures(section).map(String)));
    const missing = here!.map((some, index) => [
      headings(english)[index],
      some.filter((figure) => !there![index]!.includes(figure)),
    ]);
    expect(missing.filter(([, some]) => some!.length > 0)).toEqual([]);
  });
});

it('troubleshooting.zh-CN.md quotes the same messages in the same order', () => {
  const quoted = (page: string) => headings(page).filter((heading) => heading.startsWith('### '));
  expect(quoted('docs/troubleshooting.zh-CN.md')).toEqual(quoted('docs/troubleshooting.md'));
});
