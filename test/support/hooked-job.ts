import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { builtHooks } from '../../sandbox/start';
import type { JobFacts } from '../../src/gitlab/types';
import { jobIdentity } from '../../src/jobs/identity';
import type { JobRecord } from '../../src/jobs/types';
import { jobEnv, ownFields } from './job-env';
import { startHook, type HookRun } from './ssh/run-hook';
import type { World } from './world';

let lastId = 50_000;

/** A job whose built hooks a test calls one by one, in a world, as a runner would. */
export class HookedJob {
  readonly id = ++lastId;
  readonly stackName: string;
  readonly directory: string;
  readonly exitCodeFile: string;
  private scripts = 0;

  constructor(
    private readonly world: World,
    private readonly change: Readonly<Record<string, string | undefined>> = {},
    response: object = {},
  ) {
    this.stackName = jobIdentity(this.facts().serverUrl!, this.id, 1).stackName;
    this.directory = path.join(world.sandbox.directory, `tmp-${this.id}`);
    mkdirSync(this.directory, { mode: 0o700 });
    this.exitCodeFile = path.join(this.directory, 'build_exit_code');
    writeFileSync(
      path.join(this.directory, 'response.json'),
      JSON.stringify({ ...ownFields({ jobId: this.id }), steps: [{ name: 'script' }], ...response }),
    );
  }

  /** GitLab's own fields say what its variables say. */
  private facts(): Partial<JobFacts> {
    const { CUSTOM_ENV_CI_PIPELINE_ID: pipeline, CUSTOM_ENV_CI_JOB_TIMEOUT: timeout = '3600' } = this.change;
    const { CUSTOM_ENV_CI_SERVER_URL: serverUrl = 'https://gitlab.example.com' } = this.change;
    return {
      serverUrl,
      jobId: this.id,
      timeoutSeconds: Number(timeout),
      jobName: this.change.CUSTOM_ENV_CI_JOB_NAME ?? 'build',
      ...(pipeline === undefined ? {} : { pipelineId: Number(pipeline) }),
    };
  }

  /** What the runner starts this job's hooks with. */
  environment(): Record<string, string | undefined> {
    return this.world.environment({
      CUSTOM_ENV_CI_JOB_ID: String(this.id),
      CUSTOM_ENV_CI_SERVER_URL: 'https://gitlab.example.com',
      CUSTOM_ENV_CI_JOB_NAME: 'build',
      CUSTOM_ENV_CI_PROJECT_PATH: 'root/demo',
      CUSTOM_ENV_CI_COMMIT_REF_NAME: 'main',
      CUSTOM_ENV_CI_JOB_TIMEOUT: '3600',
      CUSTOM_ENV_CI_RUNNER_VERSION: '19.3.0',
      BUILD_FAILURE_EXIT_CODE: '1',
      SYSTEM_FAILURE_EXIT_CODE: '2',
      BUILD_EXIT_CODE_FILE: this.exitCodeFile,
      JOB_RESPONSE_FILE: path.join(this.directory, 'response.json'),
      ...jobEnv(this.facts()),
      TMPDIR: this.directory,
      ...this.change,
    });
  }

  /** @param hooks left out: the built ones */
  start(
    hook: 'prepare' | 'cleanup',
    change: Readonly<Record<string, string | undefined>> = {},
    hooks: Readonly<Record<'prepare' | 'cleanup', readonly string[]>> = builtHooks(),
  ): HookRun {
    return startHook(hooks[hook], { ...this.environment(), ...change });
  }

  /** @throws what prepare printed, where it failed */
  async prepare(): Promise<string> {
    const { code, stdout, stderr } = await this.start('prepare').ended;
    if (code !== 0) throw new Error(`prepare ended with ${code}: ${stdout.toString()}${stderr}`);
    return stdout.toString();
  }

  run(script: string, stage = 'build_script', change: Readonly<Record<string, string | undefined>> = {}): HookRun {
    const file = path.join(this.directory, `script-${++this.scripts}.`);
    writeFileSync(file, script, { mode: 0o700 });
    return startHook([...builtHooks().run, file, stage], { ...this.environment(), ...change });
  }

  async cleanUp(status = 'failed'): Promise<void> {
    const { code, stderr } = await this.start('cleanup', { CUSTOM_ENV_CI_JOB_STATUS: status }).ended;
    if (code !== 0) throw new Error(`cleanup ended with ${code}: ${stderr}`);
  }

  get recordFile(): string {
    return path.join(this.world.sandbox.directory, 'state', 'jobs', this.stackName, 'record.json');
  }

  record(): JobRecord {
    return JSON.parse(readFileSync(this.recordFile, 'utf8')) as JobRecord;
  }

  /** @throws before there is one */
  instanceId(): string {
    const record = this.record();
    if (record.phase !== 'running' && record.phase !== 'lost') throw new Error(`the record says ${record.phase}`);
    return record.instance.instanceId;
  }
}
