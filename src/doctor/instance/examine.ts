import { userInfo } from 'node:os';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { unitOf } from '../../currency';
import type { HookContext } from '../../gitlab/contract';
import type { JobLog } from '../../gitlab/job-log';
import { hostRunnerBinary } from '../../prepare/runner-helper';
import { jobIdentity } from '../../jobs/identity';
import { beaten } from '../../jobs/transitions';
import type { RecordStore } from '../../jobs/record-store';
import type { InstanceFacts } from '../../jobs/types';
import { markForDestroy } from '../../teardown/clean-up';
import { destroyNow, type DestroyerDependencies } from '../../teardown/destroyer';
import type { LaunchPoint } from '../../prepare/launch';
import { prepare, type PrepareDependencies } from '../../prepare/prepare';
import { ConfigurationError } from '../../errors';
import type { Profile, ProfilesPage, Settings } from '../../settings/types';
import { connect, type SshConnection } from '../../ssh';
import { readJobKey } from '../../stages/job-key';
import { good, lookAt, type Finding } from '../finding';
import { instanceChecks, runCheck, MIRRORS, mirrorsIn, nameResolution, reach, type Address } from './checks';

export interface InstanceRequest {
  /** '': the default one. */
  readonly profile: string;
  readonly addresses: readonly Address[];
}

export interface InstanceReport {
  readonly profile: string;
  /** Undefined: none came. */
  readonly instance:
    | {
        readonly instanceId: string;
        readonly instanceType: string;
        readonly zoneId: string;
        readonly priceYuanPerHour: number;
      }
    | undefined;
  /** From the beginning, in their order; a point that was not reached is left out. */
  readonly seconds: Readonly<Partial<Record<LaunchPoint | 'ready', number>>>;
  readonly findings: readonly Finding[];
}

export interface InstanceDependencies {
  readonly settings: Settings;
  readonly store: RecordStore;
  readonly profiles: ProfilesPage;
  readonly prepare: (log: JobLog) => PrepareDependencies;
  readonly destroyer: DestroyerDependencies;
  readonly onFinding: (finding: Finding) => void;
  /** Progress: what is waited for, and how long at most. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/**
 * The instance ends itself this long after its start, whatever happens to us (with the release
 * margin on top).
 */
const LIFE_MS = 15 * 60_000;
const DOCTOR_PROJECT = 'gitlab-spot/doctor';

/**
 * Starts an instance as a job gets one (placement, stack, SSH, instanceChecks), looks around on it,
 * and destroys it. It has a record like a job: whoever is killed, at whatever point, the destroyer
 * and the reaper find what is left.
 * @throws the signal's reason, when everything is cleaned up
 */
export async function examineInstance(
  request: InstanceRequest,
  dependencies: InstanceDependencies,
): Promise<InstanceReport> {
  const profile = chooseProfile(request.profile, dependencies.profiles);
  return new InstanceExamination(profile, request, dependencies).run();
}

/** @throws ConfigurationError */
function chooseProfile(name: string, page: ProfilesPage): Profile {
  const chosen = name === '' ? page.default : name;
  const profile = Object.hasOwn(page.profiles, chosen) ? page.profiles[chosen] : undefined;
  if (profile) return profile;
  throw new ConfigurationError(`There is no profile ${JSON.stringify(chosen)}`, {
    remedy: `It has: ${Object.keys(page.profiles).join(', ')}.`,
  });
}

class InstanceExamination {
  private readonly findings: Finding[] = [];
  private readonly points = new Map<LaunchPoint | 'ready', number>();
  private readonly context: HookContext;
  private readonly stackName: string;

  constructor(
    private readonly profile: Profile,
    private readonly request: InstanceRequest,
    private readonly from: InstanceDependencies,
  ) {
    this.context = contextOf(profile, from);
    const { job } = this.context;
    this.stackName = jobIdentity(job.serverUrl, job.jobId, 1).stackName;
  }

  async run(): Promise<InstanceReport> {
    const { signal, say } = this.from;
    let instance: InstanceFacts | undefined;
    try {
      instance = await this.start();
      if (instance) await this.lookFrom(instance);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      if (signal.aborted) say('Cleaning up; interrupt once more to leave it to the reaper');
      await this.destroy();
    }
    signal.throwIfAborted();
    return {
      profile: this.profile.name,
      instance: instance && {
        instanceId: instance.instanceId,
        instanceType: instance.pool.instanceType,
        zoneId: instance.pool.zoneId,
        priceYuanPerHour: instance.priceYuanPerHour,
      },
      seconds: Object.fromEntries(this.inOrder().map(([point, ms]) => [point, Math.round(ms / 10) / 100])),
      findings: this.findings,
    };
  }

  /** Through the job's own path. Undefined: none came, which is a finding. */
  private async start(): Promise<InstanceFacts | undefined> {
    const { profiles, say, signal, now, store } = this.from;
    const startMs = now();
    const open = { ...this.profile, allow: { projects: [], protectedRefs: false, forks: true } };
    const prepared = {
      ...this.from.prepare(sayingLog(say)),
      // A look is for the platform team: who may use the profile is a matter of jobs.
      profiles: { ...profiles, profiles: { ...profiles.profiles, [open.name]: open } },
      onPoint: (point: LaunchPoint) => {
        // Another pool is tried: what the first one reached counts no more.
        if (point === 'asked') this.points.clear();
        this.points.set(point, now() - startMs);
      },
    };
    const found = await lookAt('instance', async () => {
      await prepare(this.context, prepared);
      this.points.set('ready', now() - startMs);
      return [];
    });
    signal.throwIfAborted();
    found.forEach((finding) => this.add(finding));
    const record = store.readLenient(this.stackName);
    if (record?.phase !== 'running') return undefined;
    const { instanceId, pool, priceYuanPerHour, currency } = record.instance;
    this.add(
      good(
        'instance',
        `${instanceId}, ${pool.instanceType} in ${pool.zoneId} (${pool.market}) at ${priceYuanPerHour} ${unitOf(currency)}/h`,
      ),
    );
    this.add(
      good(
        'start',
        this.inOrder()
          .map(([point, ms]) => `${WORDS[point]} ${(ms / 1000).toFixed(1)} s`)
          .join(', '),
      ),
    );
    // The heartbeat: the reaper must see that this process is at work.
    store.write(beaten(record, now(), process.pid));
    return record.instance;
  }

  private async lookFrom(instance: InstanceFacts): Promise<void> {
    const connection = await this.connectTo(instance);
    if (!connection) return;
    try {
      const { settings, say, signal } = this.from;
      const checks = instanceChecks({
        runnerVersion: this.context.job.runner.version,
        helperInstalls: settings.runnerHelper !== 'none',
      });
      for (const check of checks) {
        signal.throwIfAborted();
        this.add(await runCheck(connection, check));
      }
      const addresses = [...this.request.addresses, ...(await this.registries(connection))];
      // What jobs can do without tells of itself below.
      const names = nameResolution(addresses.filter(({ state }) => state === 'bad').map(({ url }) => url));
      for (const check of [...(names ? [names] : []), ...addresses.map(reach)]) {
        signal.throwIfAborted();
        say(`Looking from the instance: ${check.condition} (limit ${check.limitSeconds} s)`);
        this.add(await runCheck(connection, check));
      }
    } finally {
      connection.close();
    }
  }

  private async connectTo(instance: InstanceFacts): Promise<SshConnection | undefined> {
    const { store, signal } = this.from;
    const { address, sshPort: port, sshUser: user, hostPublicKey } = instance;
    let connection: SshConnection | undefined;
    const found = await lookAt('SSH', async () => {
      const privateKey = readJobKey(store.files(this.stackName).privateKey);
      connection = await connect({ address, port, user, hostPublicKey, privateKey }, { signal });
      return [];
    });
    found.forEach((finding) => this.add(finding));
    return connection;
  }

  /** What docker there pulls from: its mirrors, or Docker Hub itself. */
  private async registries(connection: SshConnection): Promise<readonly Address[]> {
    const docker = this.findings.find(({ condition }) => condition === 'docker');
    if (docker?.state !== 'good') return [];
    const answer = await connection
      .exec(`sh -c '${MIRRORS.replace(/'/g, `'\\''`)}'`, { timeoutMs: 20_000 })
      .catch(() => undefined);
    const mirrors = mirrorsIn(answer?.stdout ?? '');
    const remedy =
      'Set a mirror near by (DOCKER_MIRROR in deploy/image/provision.sh), or let jobs name images of a registry that is reached.';
    return (mirrors.length > 0 ? mirrors : ['https://registry-1.docker.io']).map((url) => ({
      condition: mirrors.length > 0 ? 'registry mirror' : 'Docker Hub',
      url: new URL('/v2/', url).href,
      state: 'warning',
      remedy,
    }));
  }

  /** Never throws: what is left is a finding, and the reaper's. */
  private async destroy(): Promise<void> {
    const { settings, store, now, destroyer, say } = this.from;
    const found = await lookAt('clean up', async () => {
      const stacks = markForDestroy(this.context.job, { settings, store, now, status: 'success' });
      if (stacks.length === 0) return [];
      say(`Destroying ${this.stackName} (the reaper does it if this is cut off)`);
      const startMs = now();
      await destroyNow(stacks, destroyer);
      return `everything is destroyed after ${((now() - startMs) / 1000).toFixed(1)} s`;
    });
    found.forEach((finding) => this.add(finding));
  }

  private inOrder(): readonly (readonly [LaunchPoint | 'ready', number])[] {
    return POINTS.flatMap((point) => {
      const ms = this.points.get(point);
      return ms === undefined ? [] : [[point, ms] as const];
    });
  }

  private add(finding: Finding): void {
    this.findings.push(finding);
    this.from.onFinding(finding);
  }
}

const POINTS = ['asked', 'created', 'running', 'sshPort', 'sshLogin', 'ready'] as const;
const WORDS: Readonly<Record<LaunchPoint | 'ready', string>> = {
  asked: 'asked after',
  created: 'created',
  running: 'running',
  sshPort: 'SSH port',
  sshLogin: 'SSH login',
  ready: 'ready',
};

/**
 * A job that no GitLab knows: its server is this host's doctor, its number the second in which the
 * examination began.
 */
function contextOf(profile: Profile, { settings, now }: InstanceDependencies): HookContext {
  const jobId = Math.floor(now() / 1000);
  return {
    job: {
      serverUrl: `https://doctor.${settings.executorId}`,
      jobId,
      jobName: 'doctor',
      jobStage: 'doctor',
      jobUrl: '',
      pipelineId: undefined,
      project: { id: 0, path: DOCTOR_PROJECT },
      ref: { name: 'doctor', protected: true },
      verified: true,
      userLogin: userInfo().username,
      runner: { id: '', shortToken: '', version: runnerVersion(settings) },
      timeoutMs: LIFE_MS,
      startedAt: new Date(now()),
      attempt: 1,
      choice: { profile: profile.name, debugKeepMs: undefined, noRetry: true },
      files: { tmpDir: undefined, jobResponse: undefined, buildExitCode: undefined },
      exitCodes: { buildFailure: 1, systemFailure: 2 },
    },
    response: undefined,
    variables: {},
  };
}

/** Of this host's gitlab-runner; '' where there is none. */
function runnerVersion({ childEnvironment }: Settings): string {
  const file = hostRunnerBinary(childEnvironment.PATH ?? '');
  if (file === undefined) return '';
  const { stdout, status } = spawnSync(file, ['--version'], {
    encoding: 'utf8',
    timeout: 10_000,
    env: { PATH: path.dirname(process.execPath), ...childEnvironment },
  });
  return (status === 0 && /^Version:\s*v?(\S+)/m.exec(stdout)?.[1]) || '';
}

function sayingLog(say: (line: string) => void): JobLog {
  return {
    line: say,
    warn: (text) => say(`warning: ${text}`),
    error: say,
    open: ({ title }) => say(title),
    resume: () => undefined,
    close: () => undefined,
  };
}
