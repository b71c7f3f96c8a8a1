// FOLDER, and in JSON the changes { file, from, to }: builds the prepare hook, and what brings its
// stack up, from sources in which `from` reads `to`. In a process of its own, since esbuild can't
// run inside jest.
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const [outdir, changes] = process.argv.slice(2);
const root = path.resolve(import.meta.dirname, '../..');
const changed = new Map(JSON.parse(changes).map((one) => [path.join(root, one.file), one]));

await build({
  entryPoints: ['prepare', 'up'].map((name) => path.join(root, `executor/${name}.ts`)),
  outdir,
  bundle: true,
  platform: 'node',
  packages: 'external',
  supported: { 'dynamic-import': false },
  loader: { '.sh': 'text', '.html': 'text', '.yaml': 'text' },
  logLevel: 'warning',
  plugins: [
    {
      name: 'switched-back',
      setup: ({ onLoad }) =>
        onLoad({ filter: /\.ts$/ }, ({ path: file }) => {
          const change = changed.get(file);
          if (!change) return undefined;
          const pieces = readFileSync(file, 'utf8').split(change.from);
          if (pieces.length !== 2) throw new Error(`${change.file} has ${pieces.length - 1} times: ${change.from}`);
          changed.delete(file);
          return { contents: pieces.join(change.to), loader: 'ts' };
        }),
    },
  ],
});
if (changed.size > 0) throw new Error(`not part of the hook: ${[...changed.keys()].join(', ')}`);
