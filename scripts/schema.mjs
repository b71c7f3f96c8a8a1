// Writes stacks/instances.schema.json from the schema that the executor itself reads instances.yaml
// with.
import { build } from 'esbuild';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { outputFiles } = await build({
  entryPoints: [path.join(root, 'src/settings/json-schema.ts')],
  bundle: true,
  platform: 'node',
  format: 'esm',
  write: false,
});
const { profilesJsonSchema } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
);
writeFileSync(path.join(root, 'stacks/instances.schema.json'), profilesJsonSchema());
