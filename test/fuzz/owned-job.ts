import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { auditBudget } from '../../src/audit/log';
import { budgetCheck, ledgerOf, reserved } from '../../src/billing/budget-check';
import { goneAt, recordCost } from '../../src/billing/record-cost';
import type { Cloud, CloudInstance } from '../../src/cloud/types';
import { containerInterpreter, runsInContainer } from '../../src/containers/stage';
import { findOutJob, readEndedJob, readHookContext, type HookContext } from '../../src/gitlab/contract';
import { createJobLog, type JobLog } from '../../src/gitlab/job-log';
import { HookCancelled } from '../../src/hooks/run-hook';
import { outcomeOf } from '../../src/hooks/outcome';
import { RecordStore } from '../../src/jobs/record-store';
import type { JobFacts } from '../../src/gitlab/types';
import { configure } from '../../src/prepare/configure';
import { prepare } from '../../src/prepare/prepare';
import { provisionInstance } from '../../src/prepare/provision-instance';
import { parseProfiles } from '../../src/settings/profiles';
import { readSettings } from '../../src/settings/settings';
import type { Settings } from '../../src/settings/types';
import { claimSpare } from '../../src/spares/claim';
import { shapeOf } from '../../src/spares/shape';
import { createStageRunner, DEFAULT_INTERPRETER, waitForSsh } from '../../src/ssh';
import { noteCost } from '../../src/stages/cost-note';
import { runStage } from '../../src/stages/run-stage';
import { saveScript } from '../../src/stages/saving';
import { askRetry } from '../../src/teardown/ask-retry';
import { markForDestroy } from '../../src/teardown/clean-up';
import { destroyNow } from '../../src/teardown/destroyer';
import { cloudInstance, fakeEngine } from '../support/fakes';
import { preparingRecord } from '../support/job-record';
import { spareRecord } from '../support/spare';
import { CANARY } from './canary';
import { owned, spoiling, type OwnedInstance, type OwnedPlan } from './owned-instance';

/** A job of which its author has chosen all that an author can, on an instance that is the job's. */
export interface OwnedJob {
  /** CUSTOM_ENV_*, as config sees them, and as the later hooks do. */
  readonly variables: Readonly<Record<string, string>>;
  readonly later: Readonly<Record<string, string>>;
  /** What of the job response follows from .gitlab-ci.yml. */
  readonly response: unknown;
  readonly protectedRef: boolean;
  readonly timeoutSeconds: number;
  readonly plan: OwnedPlan;
  readonly says: CloudInstance | 'gone' | 'busy';
  readonly stages: readonly string[];
}

const MEMORY = '/dev/shm';
const SERVER = 'https://gitlab.example.com';
const OWN = 'job-gitlab.example.com-1001-1';
const EXIT_CODES = { buildFailure: 91, systemFailure: 92 };
/** An aborted hook ends within this; a hook of the suite runs on a busy machine. */
const ENDS_WITHIN_MS = 15_000;
const PREPARE_MS = 1_500;
const STAGE_MS = 1_000;

/** Of the other hooks: what a job must not reach. */
const page = parseProfiles(
  `default: standard
profiles:
  standard: { types: [ecs.c7.xlarge], image: m-1, debugKeepMax: 1h, spot: { maxPrice: 0.4, protectedHour: never } }
  gpu: { types: [ecs.gn6i-c4g1.xlarge], allow: { projects: [ml/*], protectedRefs: true } }
`,
  'instances.yaml',
);

/**
 * Plays the job through all of its hooks. Throws what did not hold: each ends in order and in time,
 * in one sentence, and no other job, project, pool, spare or budget sees any of it.
 * @returns how long the longest hook took, and whether the job got its instance.
 */
export async function play(job: OwnedJob): Promise<{ readonly longestMs: number; readonly isRunning: boolean }> {
  // Each case writes records through to the disk, which is slow where others use it too.
  const folder = mkdtempSync(path.join(existsSync(MEMORY) ? MEMORY : os.tmpdir(), 'owned-job-'));
  const server = await owned(job.plan);
  try {
    return await new Play(job, folder, server).run();
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Play {
  private readonly settings: Settings;
  private readonly store: RecordStore;
  private readonly log: JobLog;
  private logged = '';
  private longestMs = 0;
  private readonly facts: JobFacts;
  private readonly responseFile: string;

  constructor(
    private readonly job: OwnedJob,
    private readonly folder: string,
    private readonly server: OwnedInstance,
  ) {
    const { target } = server;
    const settings = readSettings(
      { GITLAB_SPOT_ENV_FILE: '', GITLAB_SPOT_STATE_DIR: path.join(folder, 'state') },
      { cloud: false },
    );
    this.settings = {
      ...settings,
      executorId: 'host-1',
      ssh: { port: target.port, user: target.user },
      limits: { ...settings.limits, reconnectMs: 200, pullMs: 1_000, serviceMs: 300 },
      gitlab: { ...settings.gitlab, url: SERVER, token: 'glpat-host', retry: true },
      budget: { currency: 'CNY', monthlyYuan: 100, perProjectYuan: { '*': 20 }, action: 'refuse' },
      runnerHelper: 'https://example.com/{version}/{arch}',
      metadataUrl: '',
    };
    this.store = new RecordStore(this.settings.stateDir);
    const write = (chunk: Buffer | string): void => void (this.logged += String(chunk));
    this.log = createJobLog(new Writable({ write: (chunk: Buffer, _encoding, done) => (write(chunk), done()) }));
    this.facts = {
      verified: true,
      serverUrl: SERVER,
      jobId: 1001,
      jobName: this.authored('name'),
      projectId: 42,
      projectPath: 'team/app',
      refName: 'main',
      protectedRef: job.protectedRef,
      userId: 5,
      pipelineId: 12,
      timeoutSeconds: job.timeoutSeconds,
    };
    this.responseFile = path.join(folder, 'response.json');
  }

  async run(): Promise<{ longestMs: number; isRunning: boolean }> {
    const { job, settings } = this;
    this.furnish();
    const others = this.others();
    const held = this.held();
    let isRunning = false;
    try {
      const jobEnv = await this.config();
      const environment = { ...this.given(job.later), ...jobEnv };
      const prepared =
        jobEnv && (await this.hook('prepare', PREPARE_MS, (signal) => this.prepare(environment, signal)));
      isRunning = prepared === true;
      for (const stage of prepared ? job.stages : [])
        await this.hook(stage, STAGE_MS, (signal) => this.stage(stage, environment, signal));
      this.ownRecord();
      await this.cleanup(environment);
    } catch (error) {
      throw new Error(`after ${this.logged.slice(-2_000)}`, { cause: error });
    }
    this.sayNothingStrange();
    assert.deepEqual(this.others(), others);
    assert.deepEqual(this.held(), held);
    const { entries } = await ledgerOf(settings).entries({ from: '2000-01-01', to: '2999-12-31' });
    // A spare's own line is of the time in which it was nobody's.
    for (const { jobId, projectId, yuan } of entries) {
      assert.ok((jobId === 1001 && projectId === 42) || (jobId === 0 && projectId === undefined));
      assert.ok(yuan >= 0 && yuan < 1);
    }
    assert.equal({}.constructor, Object);
    assert.equal(({} as { polluted?: string }).polluted, undefined);
    assert.ok(!existsSync(CANARY), 'a shell ran what the job wrote');
    return { longestMs: this.longestMs, isRunning };
  }

  /** Others' jobs and spares, one that is the job's to take, and GitLab's word on the job. */
  private furnish(): void {
    const { store, settings, server, job } = this;
    auditBudget(settings.stateDir, settings.budget);
    store.write({ ...preparingRecord(2002), project: 'team/other', projectId: 7, reservedYuan: 0.5 });
    const profile = page.profiles.standard!;
    const nowMs = Date.now();
    for (const number of [1, 2]) {
      const { address, port, user, hostPublicKey, privateKey } = server.target;
      const facts = { address, sshPort: port, sshUser: user, hostPublicKey, durationHours: 0 as const };
      const spare = { ...spareRecord({ number, profile, startMs: nowMs }, facts), shape: shapeOf(profile, settings) };
      store.write(spare);
      writeFileSync(store.files(spare.identity.stackName).privateKey, privateKey, { mode: 0o600 });
      if (number === 2) store.take(spare.identity.stackName, 'job-gitlab.example.com-2002-1');
    }
    const { response } = job;
    // Where a real shell answers there is no docker, and nothing to download a helper from.
    const { spoils } = job.plan;
    const authored = typeof response === 'object' && response !== null && !spoils ? response : {};
    const { jobId, projectId, projectPath, userId, pipelineId, protectedRef, timeoutSeconds } = this.facts;
    const own = {
      id: jobId,
      job_info: {
        name: this.authored('name'),
        project_id: projectId,
        project_full_path: projectPath,
        user_id: userId,
        pipeline_id: pipelineId,
      },
      git_info: {
        repo_url: `https://token:t@gitlab.example.com/${projectPath}.git`,
        ref: 'main',
        protected: protectedRef,
      },
      runner_info: { timeout: timeoutSeconds },
    };
    writeFileSync(this.responseFile, JSON.stringify({ ...authored, ...own }));
  }

  private authored(key: string): string {
    const { job_info: info } = (this.job.response ?? {}) as { job_info?: Record<string, unknown> };
    const text = info?.[key];
    return typeof text === 'string' ? text.slice(0, 1024) : '';
  }

  /** What the runner starts a hook with. */
  private given(variables: Readonly<Record<string, string>>): Record<string, string> {
    const ofJob = Object.entries({ CI_RUNNER_VERSION: '19.3.0', CI_JOB_STATUS: 'failed', ...variables });
    return {
      ...Object.fromEntries(ofJob.map(([name, text]) => [`CUSTOM_ENV_${name}`, text])),
      TMPDIR: this.folder,
      JOB_RESPONSE_FILE: this.responseFile,
      BUILD_EXIT_CODE_FILE: path.join(this.folder, 'exit-code'),
      BUILD_FAILURE_EXIT_CODE: '91',
      SYSTEM_FAILURE_EXIT_CODE: '92',
    };
  }

  private async config(): Promise<Readonly<Record<string, string>> | undefined> {
    return this.hook('config', 0, () => {
      const found = findOutJob(this.given(this.job.variables), SERVER);
      assert.deepEqual(found, this.facts);
      const { job_env: jobEnv, builds_dir: buildsDir } = configure(found, this.settings, Date.now());
      assert.equal(buildsDir, '/builds');
      return Promise.resolve(jobEnv);
    });
  }

  private async prepare(environment: Record<string, string>, signal: AbortSignal): Promise<boolean> {
    const { settings, store, log } = this;
    const seen = { ...cloudInstance(), instanceId: 'i-1' };
    const cloud = {
      findInstances: () => Promise.resolve([]),
      madeAt: () => Promise.resolve(undefined),
      resolveImage: () => Promise.resolve({ imageId: 'm-1', imdsSupport: 'v2' as const }),
      describeInstance: () => Promise.resolve(seen),
      tagInstance: () => Promise.resolve(),
      setReleaseTime: () => Promise.resolve(),
    } as unknown as Cloud;
    await prepare(readHookContext(environment), {
      settings,
      profiles: page,
      store,
      log,
      now: Date.now,
      signal,
      checkBudget: budgetCheck(settings, store, Date.now),
      cloud,
      engine: fakeEngine([() => Promise.reject(new Error('no instance is made here'))]),
      placement: {
        candidates: () => Promise.resolve({ candidates: [], rejected: [], warnings: [] }),
        reportFailure: () => Promise.resolve(),
        reportLoss: () => Promise.resolve(),
      },
      waitForSsh,
      onGone: () => Promise.resolve(),
      provision: (request) => provisionInstance({ ...request, settings, log, signal }),
      claim: (request) =>
        claimSpare(request, {
          ...{ settings, store, cloud, waitForSsh, log, signal, now: Date.now },
          imageId: () => Promise.resolve('m-1'),
          losses: () => Promise.resolve([]),
        }),
    });
    return true;
  }

  /** As executor/run.ts. */
  private async stage(stage: string, environment: Record<string, string>, signal: AbortSignal): Promise<void> {
    const { settings, store, log, job } = this;
    const context: HookContext = readHookContext(environment);
    const { onInterruption } = context.job.choice;
    const { spoils } = job.plan;
    // Any text will do for a server that runs nothing.
    const scriptFile = spoils ? path.join(this.folder, 'script') : __filename;
    if (spoils) writeFileSync(scriptFile, spoiling(spoils));
    const beganMs = Date.now();
    const losses: boolean[] = [];
    const ended = await runStage(
      context,
      { scriptFile, stage },
      {
        settings,
        store,
        stages: createStageRunner({ graceMs: 50, askMs: 20, futileTries: 3, refusalMs: 100 }),
        interpreter: context.response?.image && runsInContainer(stage) ? containerInterpreter() : DEFAULT_INTERPRETER,
        save:
          onInterruption === undefined
            ? undefined
            : { script: saveScript(onInterruption, context.variables), interpreter: DEFAULT_INTERPRETER },
        loadLookup: () =>
          Promise.resolve({
            describeInstance: () =>
              job.says === 'busy'
                ? Promise.reject(new Error('Throttling'))
                : Promise.resolve(job.says === 'gone' ? undefined : job.says),
            rememberLoss: (jobKey, pool, { confirmed }) => {
              assert.equal(pool.instanceType, 'ecs.c7.xlarge');
              assert.match(jobKey, /^gitlab\.example\.com 12 /);
              losses.push(confirmed);
              return Promise.resolve();
            },
          }),
        log,
        output: new PassThrough().resume(),
        now: Date.now,
        signal,
      },
    )
      .catch((error: unknown) => {
        noteCost(context, { stage, ended: 'cut off', beganMs }, { store, log, now: Date.now });
        throw error;
      })
      .finally(() => {
        // What the instance says of itself counts for others only where the cloud says it too.
        const said = job.says === 'gone' || (typeof job.says === 'object' && job.says.recycling);
        if (!said) assert.ok(!losses.includes(true), 'a claim of the instance counts for others');
      });
    assert.ok([0, EXIT_CODES.buildFailure].includes(ended), `exit code ${ended}`);
  }

  private ownRecord(): void {
    const record = this.store.read(OWN);
    if (!record) return;
    assert.deepEqual([record.projectId, record.project, record.profile], [42, 'team/app', 'standard']);
    assert.equal(record.identity.stackName, OWN);
    assert.match(record.userLogin, /\(user 5\)$/);
    assert.ok((record.reservedYuan ?? 0) <= 20);
  }

  private async cleanup(environment: Record<string, string>): Promise<void> {
    const { settings, store } = this;
    const ended = readEndedJob(environment, SERVER);
    assert.ok(ended);
    const status = environment.CUSTOM_ENV_CI_JOB_STATUS;
    const names = markForDestroy(ended, { settings, store, now: Date.now, status });
    assert.ok(
      names.every((name) => name === OWN),
      names.join(),
    );
    const asked: string[] = [];
    const fetch = (url: string | URL): Promise<Response> => {
      asked.push(String(url));
      return Promise.resolve(new Response('{"status":"failed"}'));
    };
    await destroyNow(names, {
      settings,
      store,
      engine: { destroy: () => Promise.resolve({ instanceGoneAt: undefined }) },
      log: () => undefined,
      now: Date.now,
      async onGone(record) {
        const history = { spotPriceHistory: () => Promise.resolve([]) };
        await recordCost(record, goneAt(record), { ledger: ledgerOf(settings), cloud: history });
        await askRetry(record, settings, { log: () => undefined, now: Date.now, fetch: fetch as never });
      },
    });
    for (const url of asked)
      assert.match(url, /^https:\/\/gitlab\.example\.com\/api\/v4\/projects\/42(\/jobs\/1001(\/retry)?)?$/);
  }

  /** One hook, told to end after `limitMs` (0: never). Undefined: it ended in a clear error. */
  private async hook<T>(
    name: string,
    limitMs: number,
    body: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const limit = new AbortController();
    const cancel = (): void => limit.abort(new HookCancelled('Cancelled by the runner (SIGTERM)'));
    const timer = limitMs > 0 ? setTimeout(cancel, limitMs) : undefined;
    const startMs = Date.now();
    try {
      return await body(limit.signal);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      const { exitCode, message } = outcomeOf(error, EXIT_CODES);
      this.log.error(message);
      assert.ok(Object.values(EXIT_CODES).includes(exitCode), `${name} ends with ${exitCode}`);
      if (/defect of gitlab-spot/.test(message)) throw error;
      assert.ok(message.length < 5_000, `${name} ends with ${message.length} characters`);
      return undefined;
    } finally {
      clearTimeout(timer);
      const tookMs = Date.now() - startMs;
      this.longestMs = Math.max(this.longestMs, tookMs);
      assert.ok(tookMs < limitMs + ENDS_WITHIN_MS, `${name} took ${tookMs} ms`);
    }
  }

  /** What others may still cost, in the budget's eyes. */
  private held(): readonly string[] {
    return reserved(this.store)
      .filter(({ stackName }) => stackName !== OWN && !/^spare-.*0001$/.test(stackName))
      .map(({ stackName, yuan }) => `${stackName} ${yuan}`)
      .sort();
  }

  /** All files that are not the job's own, nor a queue's, nor the spare's that it may take. */
  private others(): Readonly<Record<string, string>> {
    const { stateDir } = this.settings;
    const own = new RegExp(`^(jobs/${OWN}|jobs/spare-[^/]*0001|attempts/${OWN.replace(/1$/, '0')}|slots|ledger)(/|$)`);
    const files = readdirSync(stateDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(stateDir, path.join(entry.parentPath, entry.name)))
      .filter((name) => !own.test(name) && !/^(audit|machine)/.test(name));
    return Object.fromEntries(
      files.sort().map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(path.join(stateDir, name)))
          .digest('hex'),
      ]),
    );
  }

  private sayNothingStrange(): void {
    const text = this.logged
      .replaceAll(/section_(start|end):\d+:\w+(\[collapsed=true\])?\r\u001b\[0K/g, '')
      .replaceAll(/\u001b\[(33|31;1|0)m/g, '');
    assert.doesNotMatch(text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
    assert.doesNotMatch(text, /\n {4}at |defect of gitlab-spot|glpat-host/);
    const warnings = text.match(/takes this spot instance back/g) ?? [];
    assert.ok(warnings.length <= this.job.stages.length, 'told more than once');
  }
}
