import { spawn, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type Project } from '../project/project';
import { type Environment } from '../project/paths';
import { onLines, type PluginOutput } from './launch';
import { type ProgramHost, type ProgramResult, type RunRequest } from './language';

/** What the SDK's runner exits with when it has already told what went wrong. */
const EXIT_ALREADY_TOLD = 32;

/** Runs a nodejs project by itself, with the runner that its own @pulumi/pulumi brings; TypeScript included. */
export class NodeProgram implements ProgramHost {
  private child: ChildProcess | undefined;

  constructor(
    private readonly project: Project,
    private readonly programDirectory: string,
    private readonly engineAddress: string,
    private readonly env: Environment,
    private readonly output: PluginOutput,
  ) {}

  async about(): Promise<void> {}

  /** The SDK names providers when resources are registered; nothing has to be known before. */
  async requiredPackages(): Promise<string[]> {
    return [];
  }

  async run(request: Partial<RunRequest>): Promise<ProgramResult> {
    const runner = this.findRunner();
    if (!runner) {
      return {
        error: `It looks like the Pulumi SDK has not been installed in ${this.programDirectory}. Have you run npm install?`,
        bail: false,
      };
    }
    const options = this.project.runtime.options;
    const nodeArgs = typeof options['nodeargs'] === 'string' ? options['nodeargs'].split(/\s+/).filter(Boolean) : [];
    const child = spawn(process.execPath, [...nodeArgs, runner, ...this.programArgs(request)], {
      cwd: this.programDirectory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...this.env,
        PULUMI_CONFIG: JSON.stringify(request.config ?? {}),
        PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.configSecretKeys ?? []),
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

  private programArgs({
    monitorAddress,
    organization,
    project,
    stack,
    dryRun,
    parallel,
  }: Partial<RunRequest>): string[] {
    const named = {
      monitor: monitorAddress,
      engine: this.engineAddress,
      organization,
      project,
      'root-directory': this.project.root,
      stack,
      pwd: this.programDirectory,
      parallel: String(parallel ?? 1),
    };
    const args = Object.entries(named).flatMap(([name, value]) => (value ? [`--${name}`, value] : []));
    return [...args, ...(dryRun ? ['--dry-run'] : []), '.', this.engineAddress];
  }

  private findRunner(): string | undefined {
    try {
      return createRequire(path.join(this.programDirectory, 'index.js')).resolve('@pulumi/pulumi/cmd/run');
    } catch {
      return undefined;
    }
  }
}
