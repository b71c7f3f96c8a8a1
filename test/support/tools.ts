import { spawnSync } from 'node:child_process';
import { describeUnless } from './skip';

/** True where the program is installed and answers to `args`. */
function hasTool(program: string, args: readonly string[] = ['--version']): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

/** The reason against tests of a program; undefined where it is installed and answers to `args`. */
export function without(program: string, args?: readonly string[]): string | undefined {
  if (hasTool(program, args)) return undefined;
  return hasTool('sh', ['-c', `command -v ${program}`])
    ? `\`${[program, ...(args ?? [])].join(' ')}\` fails here`
    : `${program} isn't installed`;
}

/** `describe` where the program works; else skipped, for that reason. */
export function describeWithTool(
  title: string,
  { program, args }: { readonly program: string; readonly args?: readonly string[] },
  body: () => void,
): void {
  describeUnless(without(program, args), title, body);
}

/** Runs a program to its end. */
export function runTool(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly input?: string } = {},
): { readonly exitCode: number | null; readonly stdout: string; readonly stderr: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { ...options, encoding: 'utf8' });
  return { exitCode: status, stdout, stderr };
}
