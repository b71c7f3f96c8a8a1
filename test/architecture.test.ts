import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Who may import whom (docs: design). ESLint says the same while one writes; this also looks into
 * the bundles that are shipped.
 */
const root = path.resolve(__dirname, '..');

interface Import {
  readonly file: string;
  readonly target: string;
}

function importsOf(folder: string): Import[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => {
      const file = path.join(folder, name);
      const text = readFileSync(path.join(root, file), 'utf8');
      return [...text.matchAll(/(?:from|import|require)\s*\(?\s*'([^']+)'/g)].map(([, target]) => ({
        file,
        target: target!.startsWith('.')
          ? path.relative(root, path.resolve(root, path.dirname(file), target!))
          : target!,
      }));
    });
}

const product = ['src', 'executor', 'stacks'].flatMap(importsOf);
const sandbox = importsOf('sandbox');
const show = ({ file, target }: Import): string => `${file} imports ${target}`;
const below = (target: string, ...folders: string[]): boolean =>
  folders.some((folder) => target.startsWith(`${folder}/`));

describe('the rooms', () => {
  test('are found at all', () => {
    expect(product.length).toBeGreaterThan(100);
    expect(product.map(show)).toContain('executor/config.ts imports src/hooks/run-hook');
  });

  test('of the product know nothing of the sandbox', () => {
    expect(product.filter(({ target }) => below(target, 'sandbox', 'test', 'bench')).map(show)).toEqual([]);
    for (const { file } of product) expect(readFileSync(path.join(root, file), 'utf8')).not.toMatch(/SANDBOX_/);
  });

  test('of the sandbox know nothing of the product', () => {
    expect(sandbox.filter(({ target }) => below(target, 'src', 'executor', 'stacks')).map(show)).toEqual([]);
  });

  test('import Pulumi in src/engine and stacks alone', () => {
    const elsewhere = product.filter(
      ({ file, target }) => /^@pulumi\//.test(target) && !below(file, 'src/engine', 'stacks'),
    );
    expect(elsewhere.map(show)).toEqual([]);
  });

  test('import nothing upwards', () => {
    const up = product.filter(
      ({ file, target }) =>
        (below(file, 'src') && below(target, 'executor')) ||
        (below(file, 'src') && !below(file, 'src/cli') && below(target, 'src/cli')) ||
        (below(file, 'stacks') && below(target, 'src', 'executor')),
    );
    expect(up.map(show)).toEqual([]);
  });
});

/** The shortest way from a file back to itself; undefined where there is none. */
function circleOf(start: string, graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const before = new Map<string, string>();
  const queue = [start];
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    for (const next of graph.get(file) ?? []) {
      if (next === start) {
        const way = [start];
        for (let at: string | undefined = file; at !== undefined; at = before.get(at)) way.unshift(at);
        return way;
      }
      if (before.has(next)) continue;
      before.set(next, file);
      queue.push(next);
    }
  }
  return undefined;
}

test('no file imports itself through others, not even for a type', () => {
  const graph = new Map<string, string[]>();
  for (const { file, target } of [...product, ...sandbox]) {
    const found = [`${target}.ts`, `${target}/index.ts`].find((one) => existsSync(path.join(root, one)));
    if (found) graph.set(file, [...(graph.get(file) ?? []), found]);
  }
  expect(circleOf('a', new Map(Object.entries({ a: ['b', 'c'], b: ['d'], c: ['a'] })))).toEqual(['a', 'c', 'a']);
  const circles = [...graph.keys()].flatMap((file) => {
    const way = circleOf(file, graph);
    return way ? [way.join(' -> ')] : [];
  });
  expect(circles).toEqual([]);
});

describe('the bundle of', () => {
  test.each(['config', 'run', 'cleanup'])('the %s hook holds neither Pulumi nor a cloud SDK', (hook) => {
    const file = path.join(root, 'dist', hook === 'config' ? 'executor' : 'code', `${hook}.js`);
    expect(existsSync(file)).toBe(true);
    const text = readFileSync(file, 'utf8');
    for (const library of ['@pulumi/', 'pop-core', '@alicloud/', 'grpc'])
      expect({
        library,
        held: text.includes(`require("${library}`) || text.includes(`node_modules/${library}`),
      }).toEqual({ library, held: false });
  });
});
