/**
 * What the custom executor's contract hands to every hook, parsed once (CUSTOM_ENV_*, the
 * contract's own variables).
 */
export interface JobContext {
  /** Scheme and host of GitLab as the job knows it, e.g. `https://gitlab.example.com:8443`. */
  readonly serverUrl: string;
  readonly jobId: number;
  readonly jobName: string;
  readonly jobStage: string;
  readonly jobUrl: string;
  readonly pipelineId: number | undefined;
  readonly project: { readonly id: number; readonly path: string };
  readonly ref: {
    readonly name: string;
    readonly protected: boolean;
    /** Of a merge request's pipeline: whether its source is the project itself. */
    readonly mergeRequest?: JobFacts['mergeRequest'];
  };
  /** False with a runner that writes no job response: all of the above may then be the author's. */
  readonly verified: boolean;
  /** The job's own word (GITLAB_USER_LOGIN): only `userId` is GitLab's. */
  readonly userLogin: string;
  readonly userId?: number | undefined;
  readonly runner: { readonly id: string; readonly shortToken: string; readonly version: string };
  /** The job's own limit, as GitLab gave it; an hour where it gave none. A month at most. */
  readonly timeoutMs: number;
  /** CI_JOB_STARTED_AT. */
  readonly startedAt: Date;
  /**
   * Prepare attempt, from 1: the config hook counts and hands it on in job_env
   * (GITLAB_SPOT_ATTEMPT). Undefined before that.
   */
  readonly attempt: number | undefined;
  /** What the job may choose; validated against the profiles, never trusted. */
  readonly choice: JobChoice;
  readonly files: {
    readonly tmpDir: string | undefined;
    /** JOB_RESPONSE_FILE: absent with old runners. */
    readonly jobResponse: string | undefined;
    /** BUILD_EXIT_CODE_FILE: absent before 17.x. */
    readonly buildExitCode: string | undefined;
  };
  readonly exitCodes: { readonly buildFailure: number; readonly systemFailure: number };
}

export interface JobChoice {
  /** SPOT_PROFILE */
  readonly profile: string | undefined;
  /**
   * SPOT_CPU, SPOT_MEMORY, SPOT_DISK and SPOT_ARCH as the job wrote them; left out: none of them.
   */
  readonly size?: {
    readonly vcpu?: string | undefined;
    readonly memoryGiB?: string | undefined;
    readonly diskGiB?: string | undefined;
    readonly architecture?: string | undefined;
  };
  /** SPOT_DEBUG_KEEP, milliseconds. */
  readonly debugKeepMs: number | undefined;
  /**
   * SPOT_ON_INTERRUPTION: a command that saves what the job has, run when the cloud takes its
   * instance back.
   */
  readonly onInterruption?: string | undefined;
  /** SPOT_NO_RETRY: a deploy job that must not be run again by the executor. */
  readonly noRetry: boolean;
}

/** The part of JOB_RESPONSE_FILE that we read. */
export interface JobResponse {
  readonly image: JobImage | undefined;
  readonly services: readonly JobService[];
  readonly registryCredentials: readonly {
    readonly url: string;
    readonly username: string;
    readonly password: string;
  }[];
  readonly steps: readonly { readonly name: string; readonly when: string }[];
  readonly usesCache: boolean;
  readonly usesArtifacts: boolean;
  /** One for each archive that the job uploads, and for each cache that it fills. */
  readonly savesArtifacts: readonly When[];
  readonly savesCache: readonly When[];
  readonly hasFileVariables: boolean;
  /** Names and values of masked variables: never to be logged. */
  readonly maskedValues: readonly string[];
  readonly variables: readonly JobVariable[];
  /** What only GitLab writes. Undefined: it did not say. */
  readonly own: OwnFields;
}

/** Fields of the job response that no job can write. */
export interface OwnFields {
  readonly jobId: number | undefined;
  readonly projectId: number | undefined;
  /** From runner 18.5 on. */
  readonly projectPath: string | undefined;
  /** With a job's token in it: never to be logged. */
  readonly repoUrl: string | undefined;
  /** `refs/merge-requests/N/…` in a merge request's pipeline. */
  readonly ref: string | undefined;
  /** From GitLab 18.3 on. */
  readonly protectedRef: boolean | undefined;
  /** The author chooses it; it tells no job from another. */
  readonly jobName: string | undefined;
  /** From runner 18.5 on. */
  readonly userId: number | undefined;
  /** From runner 19.0 on. */
  readonly pipelineId: number | undefined;
  readonly timeoutSeconds: number | undefined;
}

/** Who a job is, as config found out and the later hooks take over (job_env). */
export interface JobFacts {
  /** By the job response. False: by variables, which the job's author writes. */
  readonly verified: boolean;
  readonly serverUrl: string;
  readonly jobId: number;
  readonly jobName: string;
  /** 0: unknown. */
  readonly projectId: number;
  readonly projectPath: string;
  readonly refName: string;
  readonly protectedRef: boolean;
  /** Left out: no merge request's pipeline. */
  readonly mergeRequest?: 'own' | 'fork';
  readonly userId?: number;
  readonly pipelineId?: number;
  readonly timeoutSeconds: number;
  /** GitLab named no timeout. */
  readonly timeoutAssumed?: boolean;
}

/** A variable as GitLab handed it out: references to others in its value are not filled in yet. */
export interface JobVariable {
  readonly key: string;
  readonly value: string;
  /** Not from the project's, group's or GitLab's own settings: what services get to see. */
  readonly public: boolean;
  /** Never to be logged. */
  readonly masked: boolean;
  /** The value is a file's content. */
  readonly file: boolean;
  /** References in it stay as they are. */
  readonly raw: boolean;
}

/** After which end of the script something is saved. */
export type When = 'on_success' | 'on_failure' | 'always';

export interface JobImage {
  readonly name: string;
  readonly entrypoint: readonly string[] | undefined;
  readonly pullPolicies: readonly ('always' | 'if-not-present' | 'never')[];
  readonly user: string | undefined;
  readonly platform: string | undefined;
}

export interface JobService extends JobImage {
  readonly alias: string;
  readonly command: readonly string[];
  readonly variables: readonly JobVariable[];
}
