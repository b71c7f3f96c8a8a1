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

/** Longer than the last of 200 jobs waits for its turn. */
const HOOK_LIMIT_MS = 30 * 60_000;
const GONE_LIMIT_MS = 120_000;

/**
 * One job, hook by hook, with the environment that a real runner gives (docs/custom-executor.md).
 */
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
      JOB_RESPONSE_FILE: this.writeResponse(),
      // What a job of a usual size has besides.
      ...Object.fromEntries(Array.from({ length: 120 }, (_, n) => [`CUSTOM_ENV_VARIABLE_${n}`, 'x'.repeat(80)])),
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

  /**
   * Prepare, and when the instance's SSH port answered for the first time: milliseconds from
   * prepare's start.
   */
  async prepare({ watchPort = true } = {}): Promise<Timed & { readonly sshAfterMs: number }> {
    const startMs = performance.now();
    const stop = new AbortController();
    const answers = watchPort ? this.sshAnswers(stop.signal).then((at) => at - startMs) : Promise.resolve(0);
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

  /**
   * A stage in the middle of the job: its output is the script's alone, without the line that says
   * what the job cost.
   */
  run(script: string, keep = true): Promise<Timed> {
    const file = path.join(this.directory, 'script.sh');
    writeFileSync(file, script, { mode: 0o700 });
    return this.hook('run', [file, 'get_sources'], keep);
  }

  cleanup(): Promise<Timed> {
    return this.hook('cleanup');
  }

  /** Milliseconds until the cloud no longer has the job's instance. */
  async gone(): Promise<number> {
    const startMs = performance.now();
    while ((await this.instance()) !== undefined) {
      if (performance.now() - startMs > GONE_LIMIT_MS)
        throw new Error(`the instance of job ${this.id} is still there ${GONE_LIMIT_MS / 1000} s after cleanup`);
      await sleep(10);
    }
    return performance.now() - startMs;
  }

  /**
   * The same no-op as a person would do it: OpenSSH's client, the same key, the host key known.
   * @throws where it fails
   */
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
    const done = await timed(
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
    // A refusal is quick, and would make the stage beside it look slow.
    if (done.exitCode !== 0)
      throw new Error(`plain ssh failed (exit ${done.exitCode}): ${done.stderr.trim().split('\n').at(-1)}`);
    return done;
  }

  /** The job as GitLab handed it out, with as much in it as a job of a usual size has. */
  private writeResponse(): string {
    const file = path.join(this.directory, 'response.json');
    const response = {
      id: this.id,
      job_info: { name: 'bench', stage: 'test', project_id: 1, project_full_path: 'bench/project' },
      git_info: { repo_url: 'http://gitlab.bench/bench/project.git', ref: 'main', protected: true },
      runner_info: { timeout: 3600 },
      variables: Array.from({ length: 150 }, (_, n) => ({
        key: `VARIABLE_${n}`,
        value: 'x'.repeat(80),
        public: true,
        file: false,
        masked: n < 5,
        raw: false,
      })),
      steps: [{ name: 'script', script: ['true'], timeout: 3600, when: 'on_success', allow_failure: false }],
      image: { name: '' },
      services: [],
      artifacts: [],
      cache: [],
      credentials: [],
      dependencies: [],
    };
    writeFileSync(file, JSON.stringify(response));
    return file;
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
    return timed(program, [...rest, ...args], this.environment, keep);
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
    const child = spawn(program, args, {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: HOOK_LIMIT_MS,
      killSignal: 'SIGKILL',
    });
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
