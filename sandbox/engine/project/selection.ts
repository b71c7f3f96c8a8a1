import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pulumiHome, type Environment } from './paths';
import { type Project } from './project';
import { without } from '../rpc/values';

interface Selection {
  stack?: string;
  stacks?: Record<string, string>;
}

/**
 * The fully qualified name of the stack selected for a project, if any. PULUMI_STACK takes
 * precedence.
 */
export function selectedStack(env: Environment, project: Project | undefined, backendUrl: string): string | undefined {
  if (env['PULUMI_STACK']) return env['PULUMI_STACK'];
  if (!project) return undefined;
  const selection = read(selectionFile(env, project));
  return selection.stacks?.[backendUrl] ?? selection.stack;
}

/** Remembers which stack is selected for a project; undefined forgets it. */
export function selectStack(env: Environment, project: Project, backendUrl: string, name: string | undefined): void {
  const file = selectionFile(env, project);
  const others = without(read(file).stacks ?? {}, backendUrl);
  const stacks = name === undefined ? others : { ...others, [backendUrl]: name };
  if (Object.keys(stacks).length === 0) return rmSync(file, { force: true });
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  writeFileSync(temporary, JSON.stringify({ stacks } satisfies Selection, undefined, 4), { mode: 0o600 });
  renameSync(temporary, file);
}

function selectionFile(env: Environment, project: Project): string {
  const hash = createHash('sha1').update(project.file).digest('hex');
  return path.join(pulumiHome(env), 'workspaces', `${project.name}-${hash}-workspace.json`);
}

function read(file: string): Selection {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Selection;
  } catch {
    return {};
  }
}
