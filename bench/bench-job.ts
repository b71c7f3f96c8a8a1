import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { builtHooks, runnerEnvironment, type Sandbox } from '../sandbox/start';

/** A command as a whole: how long it took, and how it ended. */
export interface Timed {
  readonly ms: number;
  readonly exitCode: number | null;
  readonly bytes: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One job, hook by hook, with the environment that a real runner gives (custom-executor.md). */
export class BenchJob {
  private readonly directory: string;
  private environment: Record<string, string | undefined>;

  constructor(
    private readonly sandbox: Sandbox,
    readonly id: number,
  ) {
    this.directory = path.join(sandbox.directory, 'tmp', String(id));
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const server = 'http://gitlab.bench';
    this.environment = {
      ...runnerEnvironment(sandbox),
      TMPDIR: this.directory,
      BUILD_FAILURE_EXIT_CODE: '1',
      SYSTEM_FAILURE_EXIT_CODE: '2',
      BUILD_EXIT_CODE_FILE: path.join(this.directory, 'build_exit_code'),
      CUSTOM_ENV_CI_SERVER_URL: server,
      CUSTOM_ENV_CI_JOB_ID: String(id),
      CUSTOM_ENV_CI_JOB_NAME: 'bench',
      CUSTOM_ENV_CI_JOB_STAGE: 'test',
      CUSTOM_ENV_CI_JOB_URL: `${server}/-/jobs/${id}`,
      CUSTOM_ENV_CI_JOB_STARTED_AT: new Date().toISOString(),
      CUSTOM_ENV_CI_JOB_TIMEOUT: '3600',
      CUSTOM_ENV_CI_JOB_STATUS: 'success',
      CUSTOM_ENV_CI_PIPELINE_ID: String(id),
      CUSTOM_ENV_CI_PROJECT_ID: '1',
      CUSTOM_ENV_CI_PROJECT_PATH: 'bench/project',
      CUSTOM_ENV_CI_COMMIT_REF_NAME: 'main',
      CUSTOM_ENV_CI_RUNNER_ID: '1',
      CUSTOM_ENV_CI_RUNNER_VERSION: '19.3.0',
      CUSTOM_ENV_GITLAB_USER_LOGIN: 'bench',
    };
  }

  async config(): Promise<Timed> {
    const done = await this.hook('config');
    this.environment = {
      ...this.environment,
      ...(JSON.parse(done.stdout) as { job_env: Record<string, string> }).job_env,
    };
    return done;
  }

  /** Prepare, and when the instance's SSH port answered for the first time: milliseconds from prepare's start. */
  async prepare(): Promise<Timed & { readonly sshAfterMs: number }> {
    const startMs = performance.now();
    const stop = new AbortController();
    const answers = this.sshAnswers(stop.signal).then((at) => at - startMs);
    const done = await this.hook('prepare');
    if (done.exitCode !== 0) {
      stop.abort();
      await answers.catch(() => undefined);
      throw new Error(
        `prepare of job ${this.id} failed (exit ${done.exitCode}): ${done.stderr.trim().split('\n').at(-1)}`,
      );
    }
    return { ...done, sshAfterMs: await answers };
  }

  run(script: string, keep = true): Promise<Timed> {
    const file = path.join(this.directory, 'script.sh');
    writeFileSync(file, script, { mode: 0o700 });
    return this.hook('run', [file, 'build_script'], keep);
  }

  cleanup(): Promise<Timed> {
    return this.hook('cleanup');
  }

  /** Milliseconds until the cloud no longer has the job's instance. */
  async gone(): Promise<number> {
    const startMs = performance.now();
    while ((await this.instance()) !== undefined) await sleep(10);
    return performance.now() - startMs;
  }

  /** The same no-op as a person would do it: OpenSSH's client, the same key, the host key known. */
  async plainSsh(): Promise<Timed> {
    const folder = path.join(this.sandbox.environment.GITLAB_SPOT_STATE_DIR, 'jobs', this.stackName);
    const record = JSON.parse(readFileSync(path.join(folder, 'record.json'), 'utf8')) as {
      instance: { address: string; sshPort: number; sshUser: string; hostPublicKey: string };
    };
    const { address, sshPort, sshUser, hostPublicKey } = record.instance;
    const knownHosts = path.join(this.directory, 'known_hosts');
    writeFileSync(knownHosts, `[${address}]:${sshPort} ${hostPublicKey.split(' ').slice(0, 2).join(' ')}\n`);
    const options = [
      'BatchMode=yes',
      'IdentitiesOnly=yes',
      `UserKnownHostsFile=${knownHosts}`,
      'StrictHostKeyChecking=yes',
    ].flatMap((option) => ['-o', option]);
    return timed(
      'ssh',
      [
        '-F',
        'none',
        ...options,
        '-i',
        path.join(folder, 'id_ed25519'),
        '-p',
        String(sshPort),
        `${sshUser}@${address}`,
        ':',
      ],
      process.env,
      true,
    );
  }

  private get stackName(): string {
    return `job-gitlab.bench-${this.id}-${this.environment['GITLAB_SPOT_ATTEMPT'] ?? 1}`;
  }

  private hook(
    name: 'config' | 'prepare' | 'run' | 'cleanup',
    args: readonly string[] = [],
    keep = true,
  ): Promise<Timed> {
    const [program = '', ...rest] = builtHooks()[name];
    return timed(process.execPath, [program, ...rest, ...args], this.environment, keep);
  }

  private async instance(): Promise<{ readonly address: string } | undefined> {
    const { instances } = await this.sandbox.control.leftovers();
    return instances.find(({ tags }) => tags['gitlab-spot/stack'] === this.stackName);
  }

  private async sshAnswers(signal: AbortSignal): Promise<number> {
    const port = Number(this.sandbox.environment.GITLAB_SPOT_SSH_PORT);
    for (;;) {
      signal.throwIfAborted();
      const instance = await this.instance();
      if (instance && (await connects(instance.address, port))) return performance.now();
      await sleep(10);
    }
  }
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

function timed(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  keep: boolean,
): Promise<Timed> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const child = spawn(program, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let bytes = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (keep) stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (exitCode) =>
      resolve({ ms: performance.now() - startMs, exitCode, bytes, stdout, stderr: stderr || stdout.slice(-500) }),
    );
  });
}
