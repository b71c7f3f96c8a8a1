/** Which files `paths`, `exclude` and `untracked` mean. */
import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { globMatches } from '../pipeline/compose';

export interface Selection {
  readonly paths: readonly string[];
  readonly exclude: readonly string[];
  readonly untracked: boolean;
}

export interface Selected {
  /** Files and folders, relative to the project. */
  readonly names: readonly string[];
  /** What the log says of each path. */
  readonly notes: readonly { readonly text: string; readonly warning: boolean }[];
}

/** All below a folder, folders before what they hold. */
function walk(root: string, name: string): string[] {
  const stats = lstatSync(path.join(root, name), { throwIfNoEntry: false });
  if (!stats) return [];
  if (!stats.isDirectory()) return [name];
  return [
    ...(name === '' ? [] : [name]),
    ...readdirSync(path.join(root, name))
      .sort()
      .flatMap((child) => walk(root, path.posix.join(name, child))),
  ];
}

function matches(root: string, pattern: string): string[] {
  const wanted = path.posix.normalize(pattern).replace(/\/+$/, '').replace(/^\.\//, '');
  if (wanted.startsWith('..') || path.isAbsolute(wanted)) {
    const inside = path.relative(root, path.resolve(root, wanted));
    return inside.startsWith('..') ? [] : walk(root, inside);
  }
  if (wanted === '.') return walk(root, '').filter((name) => !isGit(name));
  if (!/[*?[{]/.test(wanted)) return walk(root, wanted);
  const found = walk(root, '').filter((name) => globMatches(wanted, name) && !isGit(name));
  return [...new Set(found.flatMap((name) => walk(root, name)))];
}

const isGit = (name: string) => name === '.git' || name.startsWith('.git/');

export function selectFiles(root: string, selection: Selection): Selected {
  const names = new Set<string>();
  const notes: { text: string; warning: boolean }[] = [];
  for (const pattern of selection.paths) {
    const found = matches(root, pattern);
    for (const name of found) names.add(name);
    if (found.length > 0)
      notes.push({ text: `${pattern}: found ${found.length} matching artifact files and directories`, warning: false });
    else
      notes.push({
        text: `${pattern}: no matching files. Ensure that the artifact path is relative to the working directory (${root})`,
        warning: true,
      });
  }
  if (selection.untracked) {
    const found = execFileSync('git', ['ls-files', '-o', '-z'], { cwd: root })
      .toString()
      .split('\0')
      .filter((name) => name !== '');
    for (const name of found) names.add(name);
    notes.push({ text: `untracked: found ${found.length} files`, warning: false });
  }
  const kept = [...names].filter(
    (name) => !selection.exclude.some((pattern) => globMatches(pattern.replace(/\/+$/, ''), name)),
  );
  return { names: kept.sort(), notes };
}
