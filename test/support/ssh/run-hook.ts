import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { RecordStore } from '../../../src/jobs/record-store';
import type { JobRecord } from '../../../src/jobs/types';
import type { SshTarget } from '../../../src/ssh/types';
import { jobEnv } from '../job-env';
import { instanceFacts, preparingRecord } from '../job-record';

const RUN_HOOK = path.resolve(__dirname, '../../../dist/executor/run.js');

/**
 * A prepared job on this host: state folder, record in phase running, key; and the environment that
 * the runner gives its hooks.
 */
export interface PreparedJob {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly exitCodeFile: string;
  record(): JobRecord;
  /** Starts the built run hook as gitlab-runner does. */
  run(script: string, options?: { stage?: string; env?: Record<string, string | undefined> }): HookRun;
  remove(): void;
}

export interface HookRun {
  readonly process: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: Buffer; readonly stderr: string }>;
  /**
   * Resolves when standard output contains the text. @throws what it printed, where it ends without
   */
  prints(text: string): Promise<void>;
}

const SERVER = 'http://gitlab.example.com';

export function prepareJob(target: SshTarget, settings: Record<string, string> = {}): PreparedJob {
  const directory = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-job-'));
  const store = new RecordStore(path.join(directory, 'state'));
  const record = runningRecord(target);
  store.write(record);
  writeFileSync(store.files(record.identity.stackName).privateKey, target.privateKey, { mode: 0o600 });
  const exitCodeFile = path.join(directory, 'exit-code');
  // As a runner of today: cleanup_file_variables comes last, so no other stage ends with the line
  // that tells the job's cost.
  const responseFile = path.join(directory, 'response.json');
  writeFileSync(responseFile, JSON.stringify({ id: 1001, steps: [{ name: 'script' }] }), { mode: 0o600 });
  const environment = {
    PATH: process.env['PATH'] ?? '',
    HOME: directory,
    TMPDIR: directory,
    GITLAB_SPOT_STATE_DIR: path.join(directory, 'state'),
    ...jobEnv({ serverUrl: SERVER }),
    GITLAB_SPOT_VPC_ID: 'vpc-1',
    ALICLOUD_REGION: 'cn-hangzhou',
    ALICLOUD_ACCESS_KEY: 'LTAItest',
    ALICLOUD_SECRET_KEY: 'secret',
    ECS_ENDPOINT: '127.0.0.1:9',
    CUSTOM_ENV_CI_JOB_ID: '1001',
    CUSTOM_ENV_CI_SERVER_URL: SERVER,
    CUSTOM_ENV_CI_JOB_TIMEOUT: '3600',
    CUSTOM_ENV_CI_RUNNER_VERSION: '19.3.0',
    JOB_RESPONSE_FILE: responseFile,
    BUILD_FAILURE_EXIT_CODE: '1',
    SYSTEM_FAILURE_EXIT_CODE: '2',
    BUILD_EXIT_CODE_FILE: exitCodeFile,
    HOST_SECRET: 'must not reach the instance',
    ...settings,
  };
  let scripts = 0;
  return {
    directory,
    environment,
    exitCodeFile,
    record: () => store.read(record.identity.stackName)!,
    run(script, { stage = 'build_script', env = {} } = {}) {
      const folder = path.join(directory, `script-${++scripts}`);
      mkdirSync(folder);
      const file = path.join(folder, 'script.');
      writeFileSync(file, script, { mode: 0o700 });
      const merged = Object.fromEntries(
        Object.entries({ ...environment, ...env }).filter(([, value]) => value !== undefined),
      );
      return startHook([process.execPath, RUN_HOOK, file, stage], merged);
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export function exitCodeIn(file: string): string {
  return readFileSync(file, 'utf8');
}

/** As gitlab-runner does: in a process group of its own. */
export function startHook(
  [program = '', ...args]: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): HookRun {
  const child = spawn(program, args, {
    env: environment as NodeJS.ProcessEnv,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  let stderr = '';
  let wake: (() => void) | undefined;
  child.stdout!.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    wake?.();
  });
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return {
    process: child,
    ended: new Promise((resolve) =>
      child.once('close', (code) => resolve({ code, stdout: Buffer.concat(chunks), stderr })),
    ),
    prints: (text) =>
      new Promise((resolve, reject) => {
        wake = () => {
          if (Buffer.concat(chunks).includes(text)) resolve();
        };
        wake();
        child.once('close', (code) =>
          reject(new Error(`ended with ${code} and never printed ${text}: ${Buffer.concat(chunks)}${stderr}`)),
        );
      }),
  };
}

function runningRecord(target: SshTarget): Extract<JobRecord, { phase: 'running' }> {
  const now = new Date().toISOString();
  return {
    ...preparingRecord(),
    phase: 'running',
    serverUrl: SERVER,
    startedAt: now,
    heartbeatAt: now,
    jobKey: 'gitlab.example.com 7 build',
    instance: {
      ...instanceFacts,
      instanceId: 'i-test',
      address: target.address,
      sshPort: target.port,
      sshUser: target.user,
      hostPublicKey: target.hostPublicKey,
      pool: { zoneId: 'cn-hangzhou-k', vSwitchId: 'vsw-1', instanceType: 'ecs.c7.xlarge', market: 'spot' },
      createdAt: now,
      readyAt: now,
    },
  };
}
