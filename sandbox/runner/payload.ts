/**
 * The job as GitLab hands it to a runner (`POST /api/v4/jobs/request`), in GitLab's own field
 * names.
 */

export interface JobVariable {
  readonly key: string;
  readonly value: string;
  readonly public: boolean;
  readonly masked: boolean;
  /** The value is a file's content; the script sees the file's path. */
  readonly file: boolean;
  /** References to other variables in the value stay as they are. */
  readonly raw: boolean;
}

/** `script`, `after_script`, `release`: the runner makes a stage of each. */
export interface JobStep {
  readonly name: string;
  readonly script: readonly string[];
  /** Seconds. */
  readonly timeout: number;
  readonly when: 'on_success' | 'on_failure' | 'always';
  readonly allow_failure: boolean;
}

export interface JobImage {
  readonly name: string;
  readonly alias?: string | null;
  readonly entrypoint?: readonly string[] | null;
  readonly command?: readonly string[] | null;
  readonly pull_policy?: readonly string[] | null;
  readonly variables?: readonly JobVariable[] | null;
  readonly executor_opts?: {
    readonly docker?: { readonly user?: string | undefined; readonly platform?: string | undefined };
  };
}

export interface JobArtifact {
  readonly name: string;
  readonly untracked: boolean;
  readonly paths: readonly string[] | null;
  readonly exclude: readonly string[] | null;
  readonly when: 'on_success' | 'on_failure' | 'always' | null;
  readonly expire_in: string | null;
  readonly artifact_type: string;
  readonly artifact_format: 'zip' | 'gzip' | 'raw';
}

export interface JobCache {
  readonly key: string;
  readonly untracked: boolean;
  readonly paths: readonly string[] | null;
  /** `pull`, `push` or `pull-push`; a runner refuses any other. */
  readonly policy: string;
  readonly when: 'on_success' | 'on_failure' | 'always';
  readonly fallback_keys: readonly string[];
}

export interface JobDependency {
  readonly id: number;
  readonly name: string;
  readonly token: string;
  /** Absent where that job left no archive. */
  readonly artifacts_file?: { readonly filename: string; readonly size: number } | null;
}

export interface JobPayload {
  readonly id: number;
  readonly token: string;
  readonly allow_git_fetch: boolean;
  readonly job_info: {
    readonly id?: number;
    readonly name: string;
    readonly stage: string;
    readonly project_id: number;
    readonly project_name: string;
    readonly project_full_path: string;
    /** GitLab 18.5 and newer say these, and newer runners hand them on. */
    readonly pipeline_id?: number;
    readonly namespace_id?: number;
    readonly root_namespace_id?: number;
    readonly organization_id?: number;
    readonly instance_id?: string;
    readonly instance_uuid?: string;
    readonly user_id?: number;
    readonly queue_size?: number;
    readonly queue_depth?: number;
    readonly time_in_queue_seconds?: number;
    readonly project_jobs_running_on_instance_runners_count?: string;
  };
  readonly git_info: {
    readonly repo_url: string;
    readonly ref: string;
    readonly sha: string;
    readonly before_sha: string;
    readonly ref_type: 'branch' | 'tag';
    readonly refspecs: readonly string[];
    /** Commits to fetch; 0 for all. */
    readonly depth: number;
    readonly repo_object_format?: string;
    /** GitLab 18.3 and newer. */
    readonly protected?: boolean;
  };
  /** Seconds. */
  readonly runner_info: { readonly timeout: number; readonly runner_session_url?: string };
  readonly inputs?: unknown;
  readonly variables: readonly JobVariable[];
  readonly steps: readonly JobStep[];
  readonly image: JobImage | null;
  readonly services: readonly JobImage[];
  readonly artifacts: readonly JobArtifact[] | null;
  readonly cache: readonly JobCache[];
  readonly credentials: readonly { type: string; url: string; username: string; password: string }[];
  readonly dependencies: readonly JobDependency[];
  readonly features: Readonly<Record<string, unknown>>;
  /** `pre_get_sources_script`: before the repository is fetched. */
  readonly hooks?: readonly { readonly name: string; readonly script: readonly string[] }[];
}
