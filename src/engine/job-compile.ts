import path from 'node:path';
import type * as TypeScript from 'typescript';
import { loadJobStack } from './job-load';
import { builtStacks } from './job-source';

/** What became of an edited job.ts. */
export interface Compiled {
  /** `stacks/job.ts:12:3: …`; none: it fits. */
  readonly problems: readonly string[];
  /** Code by name below stacks/: `job`. */
  readonly modules: Readonly<Record<string, string>>;
}

/** What the hooks hand in and need back. They were built with dist/stacks. */
const CONTRACT = `
import type { Output } from '@pulumi/pulumi';
import type { JobStackArgs } from '../dist/stacks/job';
import { jobStack } from './job';
export const program: (args: JobStackArgs) => Readonly<Record<'instanceId' | 'privateIp' | 'publicIp', Output<string>>> = jobStack;
`;
const CONTRACT_NAME = 'contract-of-the-hooks';
const MOST_PROBLEMS = 20;

/**
 * Checks the types of stacks/job.ts and of what it imports from there, and translates them. Takes
 * some seconds of a processor and 400 MB: run it in a process of its own.
 * @throws Error where TypeScript is not installed
 */
export async function compileJobSource(root: string): Promise<Compiled> {
  const ts = await import('typescript');
  const stacks = path.join(root, 'stacks');
  const contract = path.join(stacks, `${CONTRACT_NAME}.ts`);
  const file = path.join(stacks, 'tsconfig.json');
  const { config, error } = ts.readConfigFile(file, (name) => ts.sys.readFile(name));
  // As Pulumi reads it for a preview.
  const { options, errors } = ts.parseJsonConfigFileContent(config ?? {}, ts.sys, stacks, { noEmit: false });
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => file === contract || fileExists(file);
  host.readFile = (file) => (file === contract ? CONTRACT : readFile(file));
  host.getSourceFile = (file, target) =>
    file === contract ? ts.createSourceFile(file, CONTRACT, target) : getSourceFile(file, target);
  const program = ts.createProgram([path.join(stacks, 'job.ts'), contract], options, host);
  const sources = program.getSourceFiles().filter(({ isDeclarationFile }) => !isDeclarationFile);
  const own = sources.filter(({ fileName }) => isWithin(stacks, fileName));
  const built = builtStacks(root);
  const foreign = sources.filter(({ fileName }) => ![stacks, built].some((folder) => isWithin(folder, fileName)));
  const diagnostics = [
    ...(error ? [error] : errors),
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...own.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ];
  const problems = [
    ...diagnostics.map((one) => problemOf(ts, one, root)),
    ...foreign.map(
      ({ fileName }) => `stacks/job.ts: imports ${path.relative(root, fileName)}, which is not in stacks/`,
    ),
  ].slice(0, MOST_PROBLEMS);
  if (problems.length > 0) return { problems, modules: {} };
  const modules = emitted(program, own, stacks);
  return { problems: loadProblems(modules, root), modules };
}

/** Types don't say what a module does while it is loaded. */
function loadProblems(modules: Compiled['modules'], root: string): readonly string[] {
  try {
    loadJobStack(modules, root);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

function emitted(program: TypeScript.Program, files: readonly TypeScript.SourceFile[], stacks: string) {
  const modules: Record<string, string> = {};
  for (const file of files)
    if (file.fileName.endsWith('.json'))
      modules[path.relative(stacks, file.fileName)] = `module.exports = ${file.text}`;
    else program.emit(file, (name, text) => (modules[path.relative(stacks, name).replace(/\.js$/, '')] = text));
  delete modules[CONTRACT_NAME];
  return modules;
}

function problemOf(ts: typeof TypeScript, { file, start = 0, messageText }: TypeScript.Diagnostic, root: string) {
  const text = ts.flattenDiagnosticMessageText(innermost(messageText), ' ').replace(/\s+/g, ' ');
  const message = text.length > 400 ? `${text.slice(0, 400)}…` : text;
  if (!file) return `stacks/job.ts: ${message}`;
  const name = path.relative(root, file.fileName);
  // Not a line of theirs: job.ts as a whole does not fit what calls it.
  if (name.includes(CONTRACT_NAME)) return `stacks/job.ts: jobStack does not fit what the hooks call: ${message}`;
  const { line, character } = file.getLineAndCharacterOfPosition(start);
  return `${name}:${line + 1}:${character + 1}: ${message}`;
}

/** `Object literal may only specify known properties …`, not all that it follows from. */
function innermost(message: TypeScript.Diagnostic['messageText']): TypeScript.Diagnostic['messageText'] {
  const next = typeof message === 'string' ? undefined : message.next?.[0];
  return next ? innermost(next) : typeof message === 'string' ? message : message.messageText;
}

function isWithin(folder: string, file: string): boolean {
  const relative = path.relative(folder, file);
  return !relative.startsWith('..') && !path.isAbsolute(relative);
}
