/** What differs between the versions of gitlab-runner that the stand-in can behave as. */

/** `19.3` is the newest; `17.4` stands for runners that know no BUILD_EXIT_CODE_FILE. */
export type RunnerVersionName = '19.3' | '17.4';

export interface RunnerVersion {
  readonly version: string;
  readonly revision: string;
  /** Feature flags with the version's own defaults, in the order in which scripts export them. */
  readonly featureFlags: readonly (readonly [string, boolean])[];
  /** The hook may write the script's own exit code to a file. */
  readonly hasBuildExitCodeFile: boolean;
  /** Stages are tried again after 5 s, 10 s, … instead of at once. */
  readonly backsOffBetweenAttempts: boolean;
  /** cleanup_file_variables runs for every job, not only for those with file variables. */
  readonly alwaysCleansUp: boolean;
  /** Tokens stay out of the remote's URL and are handed to git by configuration. */
  readonly keepsTokenOutOfRemote: boolean;
  /**
   * JOB_RESPONSE_FILE has the fields that newer GitLabs send, CI_JOB_SERVICES the services'
   * variables.
   */
  readonly writesFullJobResponse: boolean;
  /** A job that ends because the runner was told to end is `runner_interrupted`. */
  readonly saysInterrupted: boolean;
}

const on = (...names: string[]) => names.map((name) => [`FF_${name}`, true] as const);
const off = (...names: string[]) => names.map((name) => [`FF_${name}`, false] as const);

const SINCE_17_OR_BEFORE = [
  ...off('TEST_FEATURE', 'NETWORK_PER_BUILD', 'USE_LEGACY_KUBERNETES_EXECUTION_STRATEGY'),
  ...on('USE_DIRECT_DOWNLOAD'),
  ...off('USE_FASTZIP', 'DISABLE_UMASK_FOR_DOCKER_EXECUTOR', 'ENABLE_BASH_EXIT_CODE_CHECK'),
  ...off('USE_WINDOWS_LEGACY_PROCESS_STRATEGY', 'USE_POWERSHELL_PATH_RESOLVER'),
  ...off('USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL', 'SCRIPT_SECTIONS', 'ENABLE_JOB_CLEANUP'),
  ...off('KUBERNETES_HONOR_ENTRYPOINT', 'POSIXLY_CORRECT_ESCAPES', 'RESOLVE_FULL_TLS_CHAIN'),
  ...off('DISABLE_POWERSHELL_STDIN'),
  ...on('USE_POD_ACTIVE_DEADLINE_SECONDS'),
  ...off('USE_ADVANCED_POD_SPEC_CONFIGURATION'),
  ...on('SECRET_RESOLVING_FAILS_IF_MISSING'),
  ...off('PRINT_POD_EVENTS'),
  ...on('USE_GIT_BUNDLE_URIS'),
  ...off('USE_DUMB_INIT_WITH_KUBERNETES_EXECUTOR', 'USE_INIT_WITH_DOCKER_EXECUTOR', 'LOG_IMAGES_CONFIGURED_FOR_JOB'),
  ...on('USE_DOCKER_AUTOSCALER_DIAL_STDIO'),
  ...off('CLEAN_UP_FAILED_CACHE_EXTRACT', 'USE_WINDOWS_JOB_OBJECT', 'DISABLE_AUTOMATIC_TOKEN_ROTATION'),
  ...off('USE_LEGACY_GCS_CACHE_ADAPTER', 'DISABLE_UMASK_FOR_KUBERNETES_EXECUTOR'),
];

const VERSIONS: Readonly<Record<RunnerVersionName, RunnerVersion>> = {
  '19.3': {
    version: '19.3.0',
    revision: '98f3339d',
    featureFlags: [
      ...SINCE_17_OR_BEFORE,
      ...off('USE_LEGACY_BASH_EVAL', 'USE_GIT_NATIVE_CLONE', 'USE_LEGACY_S3_CACHE_ADAPTER', 'GIT_URLS_WITHOUT_TOKENS'),
      ...on('TIMESTAMPS', 'MASK_ALL_DEFAULT_TOKENS', 'USE_EXPONENTIAL_BACKOFF_STAGE_RETRY'),
      ...on('USE_ADAPTIVE_REQUEST_CONCURRENCY', 'USE_GITALY_CORRELATION_ID', 'ENABLE_JOB_INPUTS_INTERPOLATION'),
      ...off('WAIT_FOR_POD_TO_BE_REACHABLE', 'EXPORT_HIGH_CARDINALITY_METRICS', 'USE_FLEETING_ACQUIRE_HEARTBEATS'),
      ...off('USE_GIT_PROACTIVE_AUTH', 'HASH_CACHE_KEYS', 'USE_JOB_ROUTER', 'SCRIPT_TO_STEP_MIGRATION'),
      ...off('USE_PARALLEL_CACHE_TRANSFER', 'USE_PARALLEL_ARTIFACT_TRANSFER', 'CONCRETE', 'SUSPENDABLE_ENVIRONMENTS'),
      ...off('USE_NATIVE_CONTAINER_STOP'),
    ],
    hasBuildExitCodeFile: true,
    backsOffBetweenAttempts: true,
    alwaysCleansUp: true,
    keepsTokenOutOfRemote: true,
    writesFullJobResponse: true,
    saysInterrupted: true,
  },
  '17.4': {
    version: '17.4.0',
    revision: 'local',
    featureFlags: [
      ...SINCE_17_OR_BEFORE,
      ...on('SET_PERMISSIONS_BEFORE_CLEANUP', 'SKIP_NOOP_BUILD_STAGES', 'RETRIEVE_POD_WARNING_EVENTS'),
      ...off('USE_NEW_BASH_EVAL_STRATEGY', 'TIMESTAMPS'),
    ],
    hasBuildExitCodeFile: false,
    backsOffBetweenAttempts: false,
    alwaysCleansUp: false,
    keepsTokenOutOfRemote: false,
    writesFullJobResponse: false,
    saysInterrupted: false,
  },
};

export function runnerVersion(name: RunnerVersionName): RunnerVersion {
  return VERSIONS[name];
}
