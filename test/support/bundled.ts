import path from 'node:path';
import { buildSync, stop } from 'esbuild';

/**
 * One source of src/ with all that it imports as FOLDER/NAME.js, for a node of its own; packages of
 * Pulumi stay outside, as in the hooks.
 */
export async function bundled(source: string, folder: string): Promise<void> {
  buildSync({
    entryPoints: [path.resolve(__dirname, '../../src', source)],
    outfile: path.join(folder, `${path.basename(source, '.ts')}.js`),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['@pulumi/*'],
    supported: { 'dynamic-import': false },
  });
  await stop();
}
