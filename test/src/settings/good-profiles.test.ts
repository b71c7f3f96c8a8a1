import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { usableProfiles } from '../../../src/settings/good-profiles';

const RIGHT = 'default: a\nprofiles:\n  a: { types: [ecs.c7.large], image: m-1 }\n';
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'good-profiles-'));
  file = path.join(folder, 'instances.yaml');
  writeFileSync(file, RIGHT);
});
afterEach(() => rmSync(folder, { recursive: true }));
const state = (): string => path.join(folder, 'state');
const use = () => usableProfiles(file, state());

test('an edit counts from the next job on', () => {
  expect(use()).toMatchObject({ page: { default: 'a' }, problem: undefined });
  writeFileSync(file, RIGHT.replace('c7.large', 'c8i.large'));
  expect(use().page.profiles.a!.instances).toEqual({ types: ['ecs.c8i.large'] });
});

test.each([
  ['a mistake', 'default: a\nprofiles:\n  a: { types: [c7], image: m-1 }\n', 'profiles.a.types[0] must be'],
  ['half a file', RIGHT.slice(0, 40), 'is not right: '],
  ['an empty file', '', 'is not right: '],
  ['no file', undefined, "can't be read (ENOENT)"],
])('%s stops no job: it goes on with the last page that was right, and says so', (_name, text, problem) => {
  use();
  if (text === undefined) rmSync(file);
  else writeFileSync(file, text);
  const found = use();
  expect(found.page.profiles.a!.instances).toEqual({ types: ['ecs.c7.large'] });
  expect(found.problem).toContain(problem);
  expect(found.problem).toMatch(/; jobs go on with the page of 20\S+Z \(/);
  writeFileSync(file, RIGHT);
  expect(use().problem).toBeUndefined();
});

test('a page that never was right is refused', () => {
  writeFileSync(file, 'default: b\n');
  expect(use).toThrow('profiles is missing');
});

test('the copy is private, written once, and of this file alone', () => {
  use();
  const copies = (): string[] => readdirSync(path.join(state(), 'profiles'));
  const copy = path.join(state(), 'profiles', copies()[0]!);
  const { mtimeMs, mode, ino } = statSync(copy);
  expect(mode & 0o777).toBe(0o600);
  use();
  expect(statSync(copy)).toMatchObject({ mtimeMs, ino });
  const other = path.join(folder, 'other.yaml');
  writeFileSync(other, 'default: z\n');
  expect(() => usableProfiles(other, state())).toThrow();
  expect(copies()).toHaveLength(1);
  expect(existsSync(copy)).toBe(true);
});

test('a copy that was damaged helps nobody, and hides no mistake', () => {
  use();
  const [name] = readdirSync(path.join(state(), 'profiles'));
  writeFileSync(path.join(state(), 'profiles', name!), 'default');
  writeFileSync(file, 'default: b\n');
  expect(use).toThrow('profiles is missing');
});
