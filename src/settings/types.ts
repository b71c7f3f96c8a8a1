import type { Disk } from '../cloud/list-prices';
import type { Currency } from '../currency';
import type { Hours } from './hours';

/**
 * Settings of the executor's host: environment first, then the env file (dotenv). All
 * `GITLAB_SPOT_*` unless another name is given.
 */
export interface Settings {
  /**
   * GITLAB_SPOT_STATE_DIR; default `$XDG_STATE_HOME/gitlab-spot` or `~/.local/state/gitlab-spot`.
   * Mode 0700.
   */
  readonly stateDir: string;
  /** GITLAB_SPOT_PROFILES_FILE; default the package's `stacks/instances.yaml`. */
  readonly profilesFile: string;
  /**
   * GITLAB_SPOT_EXECUTOR_ID; default the host's name. Tags what this host made, so that each host
   * reaps its own.
   */
  readonly executorId: string;
  readonly pulumi: PulumiSettings;
  readonly cloud: CloudSettings;
  readonly ssh: SshSettings;
  /** GITLAB_SPOT_BUILDS_DIR, default `/builds`; `{job}` stands for the stack's name. */
  readonly buildsDir: string;
  /** GITLAB_SPOT_CACHE_DIR, default `/cache`; `{job}` likewise. */
  readonly cacheDir: string;
  readonly limits: Limits;
  /**
   * GITLAB_SPOT_CLEANUP: `detached` (default) returns at once, `wait` stays until the stack is
   * gone.
   */
  readonly cleanup: 'detached' | 'wait';
  /**
   * GITLAB_SPOT_GITLAB_TOKEN and _URL: let `reap` ask GitLab about a job. GITLAB_SPOT_RETRY: ask
   * GitLab to run an interrupted job again, with the rights of the token's owner; off by default,
   * for GitLab's own `retry:` keeps the user.
   */
  readonly gitlab: {
    readonly token: string | undefined;
    readonly url: string | undefined;
    readonly retry: boolean;
    /** GITLAB_SPOT_GITLAB_CA_FILE: PEM of the private authority that GitLab's certificate is of. */
    readonly caFile: string | undefined;
  };
  readonly budget: BudgetSettings;
  /**
   * GITLAB_SPOT_RUNNER_HELPER: where the instance gets `gitlab-runner` from: `host` (copy this
   * host's binary), a URL, or `none`.
   */
  readonly runnerHelper: string;
  /**
   * GITLAB_SPOT_METADATA_URL; default `http://100.100.100.200`: where an instance asks about its
   * own interruption; `{instance}` stands for its id.
   */
  readonly metadataUrl: string;
  /** GITLAB_SPOT_VERBOSE=1: log files and stack traces. */
  readonly verbose: boolean;
  readonly notices: NoticeSettings;
  /**
   * What child processes (pulumi, the destroyer) get of the host's variables: no CUSTOM_ENV_*,
   * nothing of a job.
   */
  readonly childEnvironment: Readonly<Record<string, string>>;
}

/** Who is told by a webhook, and of what. Its URL holds a secret. */
export interface NoticeSettings {
  /** GITLAB_SPOT_WEBHOOK. */
  readonly webhook: string | undefined;
  /** GITLAB_SPOT_WEBHOOK_FILE: a file of mode 0600 that holds the URL; it goes first. */
  readonly webhookFile: string | undefined;
  /** GITLAB_SPOT_WEBHOOK_SECRET_FILE: of mode 0600, with what a robot's messages are signed with. */
  readonly secretFile?: string | undefined;
  /** GITLAB_SPOT_WEBHOOK_KIND; `auto`: known by the URL's host, or plain JSON. */
  readonly kind: 'auto' | 'dingtalk' | 'feishu' | 'wecom' | 'slack' | 'json';
  /** GITLAB_SPOT_SUMMARY: of the last day or week. */
  readonly summary: 'daily' | 'weekly' | 'off';
}

export interface PulumiSettings {
  /** PULUMI_BACKEND_URL; default `file://STATE_DIR/pulumi`. */
  readonly backendUrl: string;
  /**
   * PULUMI_CONFIG_PASSPHRASE_FILE; default `STATE_DIR/passphrase` (made on first use, 0600).
   * Undefined when PULUMI_CONFIG_PASSPHRASE is set.
   */
  readonly passphraseFile: string | undefined;
}

export interface CloudSettings {
  /** ALICLOUD_REGION or ALIBABA_CLOUD_REGION. */
  readonly region: string;
  /** GITLAB_SPOT_VPC_ID. */
  readonly vpcId: string;
  /** GITLAB_SPOT_VSWITCH_IDS, comma separated; empty: every vSwitch of the VPC. */
  readonly vSwitchIds: readonly string[];
  /**
   * GITLAB_SPOT_SECURITY_GROUP_ID: one group for all jobs, whose rule lets this host in; undefined:
   * each job makes its own.
   */
  readonly securityGroupId?: string | undefined;
  /**
   * GITLAB_SPOT_EXECUTOR_CIDR, comma separated: who may reach an instance's SSH port; empty: this
   * host's own addresses.
   */
  readonly executorCidrs: readonly string[];
  /** ECS_ENDPOINT, VPC_ENDPOINT …: `host[:port]`; undefined: the region's public one. */
  readonly endpoints: {
    readonly ecs: string | undefined;
    readonly vpc: string | undefined;
    readonly sts: string | undefined;
    readonly ram: string | undefined;
    readonly cms: string | undefined;
  };
  /**
   * Undefined: no keys in the environment: the host's RAM role (ALICLOUD_ECS_ROLE_NAME) or the
   * credential chain is used.
   */
  readonly credentials: CloudCredentials | undefined;
  readonly ecsRoleName: string | undefined;
  /**
   * GITLAB_SPOT_PUBLIC_ADDRESS: reach instances by public address (needs internet bandwidth);
   * default false.
   */
  readonly usePublicAddress: boolean;
}

export interface CloudCredentials {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken: string | undefined;
}

export interface SshSettings {
  /** GITLAB_SPOT_SSH_PORT, default 22. */
  readonly port: number;
  /** GITLAB_SPOT_SSH_USER, default root. */
  readonly user: string;
}

/** The executor's own limits, milliseconds unless the name says otherwise. */
export interface Limits {
  /**
   * GITLAB_SPOT_BOOT_TIMEOUT (seconds in the environment), default 300: RunInstances accepted until
   * SSH answers.
   */
  readonly bootMs: number;
  /** GITLAB_SPOT_PLACEMENT_TIMEOUT, default 600: for all candidates of one prepare together. */
  readonly placementMs: number;
  /** GITLAB_SPOT_MAX_CANDIDATES, default 8. */
  readonly maxCandidates: number;
  /** GITLAB_SPOT_PULL_TIMEOUT, default 900: for all of the job's container images together. */
  readonly pullMs: number;
  /**
   * GITLAB_SPOT_SERVICE_TIMEOUT, default 30, as gitlab-runner's wait_for_services_timeout: until
   * services answer; 0: nobody waits.
   */
  readonly serviceMs: number;
  /**
   * GITLAB_SPOT_RECONNECT_TIMEOUT, default 30: a stage's lost connection until the instance counts
   * as unreachable.
   */
  readonly reconnectMs: number;
  /** GITLAB_SPOT_CONCURRENT_UPS, default 4: until the cloud has accepted the instance. */
  readonly concurrentUps: number;
  /**
   * GITLAB_SPOT_ACCEPTED_UPS, default 6: `up`s beyond those that only wait for an instance that was
   * accepted. 0: none, an `up` keeps its slot until its end.
   */
  readonly acceptedUps: number;
  /** GITLAB_SPOT_CONCURRENT_DESTROYS, default 2. */
  readonly concurrentDestroys: number;
  /**
   * GITLAB_SPOT_RELEASE_MARGIN (seconds), default 1800: AutoReleaseTime lies this far beyond the
   * job's timeout.
   */
  readonly releaseMarginMs: number;
}

/**
 * Of a calendar month on this host: its part (GITLAB_SPOT_BUDGET_SHARE) of GITLAB_SPOT_BUDGET and
 * _PER_PROJECT; undefined: no limit.
 */
export interface BudgetSettings {
  /** GITLAB_SPOT_CURRENCY: what its amounts are in; default CNY, which is yuan. */
  readonly currency: Currency;
  readonly monthlyYuan: number | undefined;
  /** By project path; `*` for any project without a line of its own. */
  readonly perProjectYuan: Readonly<Record<string, number>>;
  /** GITLAB_SPOT_BUDGET_ACTION: what happens at 100 %. */
  readonly action: 'refuse' | 'warn';
}

/** stacks/instances.yaml, validated. */
export interface ProfilesPage {
  readonly default: string;
  readonly profiles: Readonly<Record<string, Profile>>;
  /** By project: paths with wildcards, or ids. */
  readonly projects?: Readonly<Record<string, JobLimits>> | undefined;
}

/** What the platform team grants; undefined: any. */
export interface JobLimits {
  readonly maxTimeoutMs?: number | undefined;
  /** At a time, on this host. */
  readonly maxJobs?: number | undefined;
}

export interface Profile extends JobLimits {
  readonly name: string;
  /**
   * Named types in the platform team's order of preference, or a description that the cloud
   * resolves.
   */
  readonly instances: { readonly types: readonly string[] } | InstanceRequirements;
  /**
   * Image id (`m-…` or a public one such as `aliyun_3_x64_…vhd`), or the name of a family whose
   * newest is taken.
   */
  readonly image: string;
  readonly disk: Disk;
  /** What a job may ask for instead of the size above; left out: nothing. */
  readonly choose?: SizeBounds;
  readonly spot: SpotPolicy;
  /** Left out: none. */
  readonly spares?: SparePolicy;
  /** Left out: as the image can. */
  readonly metadata?: 'hardened' | 'optional';
  /** Megabits a second; 0: no public address. */
  readonly internetBandwidthMbps: number;
  /** Zones allowed; empty: all that have a vSwitch. */
  readonly zones: readonly string[];
  readonly allow: {
    /** Paths with wildcards, or ids; empty: every project. */
    readonly projects: readonly string[];
    readonly protectedRefs: boolean;
    /**
     * Where the profile is restricted: also for merge requests from forks, whose code nobody has
     * looked at.
     */
    readonly forks: boolean;
  };
  /** What its instances may reach; undefined: everything. */
  readonly egress?: readonly EgressRule[] | undefined;
  /**
   * May a job keep a failed instance with SPOT_DEBUG_KEEP, and for how long at most (milliseconds)?
   * 0: never.
   */
  readonly debugKeepMaxMs: number;
}

export interface EgressRule {
  readonly to: string;
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'all';
  /** As the API has it: `443/443`; `-1/-1` is all. */
  readonly ports: string;
}

/** Machines made before the jobs that take them (docs/profiles.md, docs/adr/0018). */
export interface SparePolicy {
  /** So many wait for a job. */
  readonly keep: number;
  /**
   * So many wait or are made at most, for jobs that are expected soon (spares/forecast.ts); left
   * out, or no more than `keep`: none are made for those.
   */
  readonly max?: number | undefined;
  /** In these hours; outside them none. */
  readonly when: readonly Hours[];
  /** So long one waits at most; then it goes. */
  readonly idleMs: number;
}

export interface InstanceRequirements {
  readonly vcpu: number;
  readonly memoryGiB: number;
  readonly architecture: 'x86_64' | 'arm64';
  readonly gpus: number;
}

/**
 * What SPOT_CPU, SPOT_MEMORY, SPOT_DISK and SPOT_ARCH may say; what is left out is no job's choice.
 */
export interface SizeBounds {
  readonly vcpu?: Bounds | undefined;
  readonly memoryGiB?: Bounds | undefined;
  readonly diskGiB?: Bounds | undefined;
  /** The first is that of a job which asks for a size alone. */
  readonly architectures?: readonly InstanceRequirements['architecture'][] | undefined;
}

/** Both included. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

export interface SpotPolicy {
  /** Yuan an hour; holds for spot and pay-as-you-go alike. Infinity where the page names none. */
  readonly maxPriceYuanPerHour: number;
  readonly protectedHour: 'auto' | 'always' | 'never';
  readonly fallback: 'on-demand' | 'none';
  /** The market that the first retry of an interrupted job takes first. */
  readonly afterInterruption: 'spot' | 'on-demand';
}
