import { spawn } from 'node:child_process';
import path from 'node:path';

const program = path.resolve(__dirname, '../../dist/cli/gitlab-spot.js');

export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command `gitlab-spot` with this environment and no other. */
export function gitlabSpot(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  input = '',
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { env: { ...environment }, stdio: 'pipe' });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
    child.stdin.on('error', () => undefined).end(input);
  });
}
