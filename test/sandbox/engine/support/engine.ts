import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as automation from '@pulumi/pulumi/automation';
import * as cmd from '@pulumi/pulumi/automation/cmd';
import * as errors from '@pulumi/pulumi/automation/errors';
import { runLine } from '../../../../sandbox/engine/cli/run';
import { PULUMI_VERSION } from '../../../../sandbox/engine/state/checkpoint';

const root = path.resolve(__dirname, '../../../..');
const distribution = path.join(root, 'dist/sandbox');
const ENGINE = path.join(distribution, 'bin/pulumi');

/** How a command ended. */
export interface Ran {
  stdout: string;
  stderr: string;
  code: number | string;
}

/** A person's machine with nothing on it but the engine: a home, an empty backend, a project. */
export interface Machine {
  directory: string;
  /** Where the project is. */
  project: string;
  /** The backend's folder. */
  state: string;
  /** A folder at the front of PATH. */
  bin: string;
  env: Record<string, string>;
  run(...args: string[]): Promise<Ran>;
  /** As {@link run}, with the engine in the test's own process. */
  quickRun(...args: string[]): Promise<Ran>;
  /**
   * As {@link stack}, with the engine in the test's own process: quick, for what the engine does
   * rather than how it starts.
   */
  quickStack(name: string, program: automation.PulumiFn): Promise<automation.Stack>;
  /** The stack of an inline program, through the Automation API. */
  stack(name: string, program: automation.PulumiFn, env?: Record<string, string>): Promise<automation.Stack>;
  remove(): void;
}

export function machine(passphrase = 'open sesame'): Machine {
  const directory = mkdtempSync(path.join(tmpdir(), 'engine-'));
  const [project, state, bin, workspaces] = ['project', 'state', 'bin', 'workspaces'].map((name) => {
    mkdirSync(path.join(directory, name));
    return path.join(directory, name);
  }) as [string, string, string, string];
  writeFileSync(path.join(project, 'Pulumi.yaml'), 'name: gitlab-spot\nruntime: nodejs\n');
  const env = {
    PATH: `${bin}${path.delimiter}${path.join(distribution, 'bin')}${path.delimiter}${process.env['PATH']}`,
    HOME: directory,
    PULUMI_HOME: path.join(directory, 'home'),
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE: passphrase,
    PULUMI_SKIP_UPDATE_CHECK: 'true',
  };
  // The Automation API puts the folder of its CLI first on PATH: it must hold nothing else.
  const installation = path.join(directory, 'installation');
  mkdirSync(path.join(installation, 'bin'), { recursive: true });
  symlinkSync(ENGINE, path.join(installation, 'bin/pulumi'));
  let count = 0;
  return {
    directory,
    project,
    state,
    bin,
    env,
    run: (...args) =>
      new Promise((resolve) => {
        execFile(ENGINE, args, { cwd: project, env, maxBuffer: 1e8 }, (error, stdout, stderr) =>
          resolve({ stdout, stderr, code: error ? (error.code ?? error.signal ?? 1) : 0 }),
        );
      }),
    quickRun: (...args) => inProcess(args, env, project),
    quickStack: (name, program) => {
      const workDir = path.join(workspaces, String(count++));
      mkdirSync(workDir);
      return automation.LocalWorkspace.createOrSelectStack(
        { stackName: name, projectName: 'gitlab-spot', program },
        { workDir, pulumiCommand: new OwnProcess(env) as unknown as automation.PulumiCommand, envVars: env },
      );
    },
    async stack(name, program, more = {}) {
      const workDir = path.join(workspaces, String(count++));
      mkdirSync(workDir);
      const pulumiCommand = await automation.PulumiCommand.get({ root: installation });
      return automation.LocalWorkspace.createOrSelectStack(
        { stackName: name, projectName: 'gitlab-spot', program },
        { workDir, pulumiCommand, envVars: { ...env, ...more } },
      );
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

interface CommandResult {
  stdout: string;
  stderr: string;
  code: number;
}

/** Parts of the Automation API that it keeps to itself. */
const { CommandResult, createCommandError } = { ...cmd, ...errors } as unknown as {
  CommandResult: new (stdout: string, stderr: string, code: number, error?: Error) => CommandResult;
  createCommandError(result: CommandResult): Error;
};

/** Runs one command line of the engine where the test runs. */
async function inProcess(
  words: readonly string[],
  env: Record<string, string>,
  cwd: string,
  onOutput?: (text: string) => void,
): Promise<{ stdout: string; stderr: string; code: number }> {
  let [stdout, stderr] = ['', ''];
  const out = (text: string) => {
    stdout += text;
    onOutput?.(text);
  };
  const code = await runLine(words, env, { cwd, out, err: (text) => (stderr += text) });
  return { stdout, stderr, code };
}

/** The CLI as the Automation API calls it, run where the test runs. */
class OwnProcess {
  readonly command = 'pulumi';
  readonly version = { toString: () => PULUMI_VERSION };
  constructor(private readonly env: Record<string, string>) {}

  async run(
    args: string[],
    cwd: string,
    env: Record<string, string>,
    onOutput?: (text: string) => void,
  ): Promise<CommandResult> {
    const words = [...args, '--non-interactive'];
    const { stdout, stderr, code } = await inProcess(
      words,
      { ...this.env, ...env, PULUMI_AUTOMATION_API: 'true' },
      cwd,
      onOutput,
    );
    const error =
      code === 0
        ? undefined
        : new Error(`Command failed with exit code ${code}: pulumi ${words.join(' ')}\n${stderr}\n${stdout}`);
    const result = new CommandResult(stdout, error ? error.message : stderr, code, error);
    if (error) throw createCommandError(result);
    return result;
  }
}
