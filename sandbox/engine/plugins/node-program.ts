import { spawn, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type Project } from '../project/project';
import { type Environment } from '../project/paths';
import { onLines, type PluginOutput } from './launch';
import { type ProgramHost, type ProgramResult, type ProgramRun } from './language';

/** What the SDK's runner exits with when it has already told what went wrong. */
const EXIT_ALREADY_TOLD = 32;

/**
 * Runs a nodejs project by itself, with the runner that its own @pulumi/pulumi brings; TypeScript
 * included.
 */
export class NodeProgram implements ProgramHost {
  private child: ChildProcess | undefined;

  constructor(
    private readonly project: Project,
    private readonly programDirectory: string,
    private readonly env: Environment,
    private readonly output: PluginOutput,
  ) {}

  async about(): Promise<void> {}

  /** The SDK names providers when resources are registered; nothing has to be known before. */
  async requiredPackages(): Promise<string[]> {
    return [];
  }

  async run(run: ProgramRun): Promise<ProgramResult> {
    const runner = this.findRunner();
    if (!runner) {
      return {
        error: `It looks like the Pulumi SDK has not been installed in ${this.programDirectory}. Have you run npm install?`,
        bail: false,
      };
    }
    const options = this.project.runtime.options;
    const nodeArgs = typeof options['nodeargs'] === 'string' ? options['nodeargs'].split(/\s+/).filter(Boolean) : [];
    const child = spawn(process.execPath, [...nodeArgs, runner, ...this.programArgs(run)], {
      cwd: this.programDirectory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...this.env,
        PULUMI_CONFIG: JSON.stringify(run.config),
        PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(run.configSecretKeys),
        ...(options['typescript'] !== false && { PULUMI_NODEJS_TYPESCRIPT: 'true' }),
      },
    });
    this.child = child;
    onLines(child.stdout, (line) => this.output('stdout', line));
    onLines(child.stderr, (line) => this.output('stderr', line));
    const code = await new Promise<number | null>((resolve) => {
      child.once('error', () => resolve(null));
      child.once('close', resolve);
    });
    if (code === 0) return { error: '', bail: false };
    if (code === EXIT_ALREADY_TOLD) return { error: '', bail: true };
    return { error: `Program exited with non-zero exit code: ${code ?? child.signalCode}`, bail: false };
  }

  close(): void {
    if (this.child?.exitCode === null) this.child.kill('SIGKILL');
  }

  private programArgs(run: ProgramRun): string[] {
    const named = {
      monitor: run.monitorAddress,
      engine: run.engineAddress,
      organization: run.organization,
      project: run.project,
      'root-directory': this.project.root,
      stack: run.stack,
      pwd: this.programDirectory,
      parallel: String(run.parallel),
    };
    const args = Object.entries(named).flatMap(([name, value]) => [`--${name}`, value]);
    return [...args, ...(run.dryRun ? ['--dry-run'] : []), '.', run.engineAddress];
  }

  private findRunner(): string | undefined {
    try {
      return createRequire(path.join(this.programDirectory, 'index.js')).resolve('@pulumi/pulumi/cmd/run');
    } catch {
      return undefined;
    }
  }
}
