import { spawnSync } from 'node:child_process';

/** True where the program is installed and answers to `args`. */
export function hasTool(program: string, args: readonly string[] = ['--version']): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

/** `describe` where the program exists, else a skipped block whose title says what is missing. */
export function describeWithTool(
  title: string,
  tool: { readonly program: string; readonly args?: readonly string[] },
  body: () => void,
): void {
  if (hasTool(tool.program, tool.args)) describe(title, body);
  else
    describe.skip(`${title} (skipped: \`${[tool.program, ...(tool.args ?? [])].join(' ')}\` does not work here)`, body);
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
