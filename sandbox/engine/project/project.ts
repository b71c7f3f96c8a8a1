import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type * as Yaml from 'yaml';
import { CommandError } from '../errors';
import { type Value } from '../rpc/values';

/** What the engine reads of a Pulumi.yaml. */
export interface Project {
  /** The file itself. */
  file: string;
  /** The directory it is in. */
  root: string;
  name: string;
  runtime: { name: string; options: Record<string, Value> };
  /** Where the program is, relative to the root (`main`). */
  main?: string;
  description?: string;
  /** The backend that the project asks for (`backend.url`). */
  backendUrl?: string;
  /** Where the stacks' configuration files are (`stackConfigDir`). */
  stackConfigDir?: string;
  /** Configuration with a default (`config`). */
  config: Record<string, Value>;
}

const FILES = ['Pulumi.yaml', 'Pulumi.yml', 'Pulumi.json'];

/**
 * The nearest project file, searching upwards; undefined when there is none. Throws CommandError on
 * a broken one.
 */
export function findProject(directory: string): Project | undefined {
  for (let folder = path.resolve(directory); ; folder = path.dirname(folder)) {
    const file = FILES.map((name) => path.join(folder, name)).find((candidate) => existsSync(candidate));
    if (file) return loadProject(file);
    if (folder === path.dirname(folder)) return undefined;
  }
}

/** As {@link findProject}, but a missing project is an error. */
export function requireProject(directory: string): Project {
  const project = findProject(directory);
  if (project) return project;
  throw new CommandError(
    `no Pulumi.yaml project file found (searching upwards from ${path.resolve(directory)}). ` +
      'If you have not created a project yet, use `pulumi new` to do so: no project file found',
  );
}

function loadProject(file: string): Project {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- the parser is loaded only by commands that need it
  const yaml = require('yaml') as typeof Yaml;
  let raw: unknown;
  try {
    raw = yaml.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw invalid(file, (error as Error).message.split('\n')[0]!);
  }
  if (typeof raw !== 'object' || raw === null) throw invalid(file, 'project file is empty');
  const fields = raw as Record<string, Value>;
  const { name, runtime, main, description, backend, config, stackConfigDir } = fields;
  if (typeof name !== 'string' || !name) throw invalid(file, "project is missing a 'name' attribute");
  if (!/^[A-Za-z0-9_.-]{1,100}$/.test(name))
    throw invalid(file, `project name '${name}' may only contain alphanumerics, hyphens, underscores, and periods`);
  const url = (backend as Record<string, Value> | undefined)?.['url'];
  return {
    file,
    root: path.dirname(file),
    name,
    runtime: parseRuntime(file, runtime),
    ...(typeof main === 'string' && { main }),
    ...(typeof description === 'string' && { description }),
    ...(typeof url === 'string' && { backendUrl: url }),
    ...(typeof stackConfigDir === 'string' && { stackConfigDir }),
    config: (config as Record<string, Value> | undefined) ?? {},
  };
}

function parseRuntime(file: string, runtime: Value | undefined): Project['runtime'] {
  if (typeof runtime === 'string' && runtime) return { name: runtime, options: {} };
  if (runtime && typeof runtime === 'object' && !Array.isArray(runtime) && typeof runtime['name'] === 'string') {
    return { name: runtime['name'], options: (runtime['options'] as Record<string, Value> | undefined) ?? {} };
  }
  throw invalid(file, "project is missing a 'runtime' attribute");
}

function invalid(file: string, reason: string): CommandError {
  return new CommandError(`could not load project: could not validate '${file}': ${reason}`);
}
