import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const folder = path.join(__dirname, '../../stacks');
const programs = readdirSync(folder).filter((name) => name.endsWith('.ts'));

test.each(programs)('stacks/%s imports Pulumi and its neighbours only', (name) => {
  const imports = [...readFileSync(path.join(folder, name), 'utf8').matchAll(/from '([^']+)'/g)].map(
    (match) => match[1]!,
  );
  expect(imports.filter((from) => !from.startsWith('@pulumi/') && !from.startsWith('./'))).toEqual([]);
});

test.each(programs)('stacks/%s reads neither environment nor files', (name) => {
  expect(readFileSync(path.join(folder, name), 'utf8')).not.toMatch(/process\.|require\(|node:/);
});
