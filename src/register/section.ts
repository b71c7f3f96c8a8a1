import { realpathSync } from 'node:fs';
import path from 'node:path';
import { TomlDate } from 'smol-toml';
import type { Settings } from '../settings/types';
import { WAIT_LIMIT_MS } from '../host/slots';
import { DEFAULT_ENV_FILE } from '../settings/environment';
import { HOOK_FILES, HOOKS } from './config-file';
import type { WantedConfig } from './with-section';

/**
 * The runner aborts running jobs at SIGTERM and gives them this long to clean up; 30 s, its
 * default, abandons them. Seconds.
 */
export const SHUTDOWN_TIMEOUT = 300;

/**
 * What the runner itself advises (2 to 4):
 * https://docs.gitlab.com/runner/configuration/advanced-configuration/#long-polling-issues
 */
const REQUEST_CONCURRENCY = 4;

/**
 * The least there is: GitLab holds a request (long polling), and this is the pause before the next
 * one. Seconds; 3 by default.
 */
export const CHECK_INTERVAL = 1;

export interface SectionFacts {
  readonly name: string;
  readonly url: string;
  readonly id: number;
  readonly token: string;
  readonly tokenExpiresAt: string | undefined;
  /** PEM of the private authority of GitLab's certificate; undefined: a public one. */
  readonly caFile: string | undefined;
  /** How instances reach GitLab, where that is another address than the runner's. */
  readonly cloneUrl: string | undefined;
  readonly concurrency: number;
  /** How often the section is to stand in the file: `sectionsFor`. */
  readonly sections: number;
  readonly cache: CacheFacts | undefined;
  /** `KEY=VALUE` for every job. */
  readonly environment: readonly string[];
  /** The folder that holds config.js, prepare, run.js and cleanup.js. */
  readonly hooks: string;
  /** Undefined: the one that the hooks read anyway. */
  readonly envFile: string | undefined;
  readonly node: string;
}

export interface CacheFacts {
  readonly bucket: string;
  /** `cn-hangzhou` */
  readonly region: string;
  /**
   * `oss-cn-hangzhou-internal.aliyuncs.com`: reached by instances, which get signed URLs and no
   * keys.
   */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

type Limits = Pick<Settings, 'limits' | 'cleanup' | 'buildsDir' | 'cacheDir'>;

/** What config.toml must say so that the runner drives our hooks as the contract has it. */
export function wantedConfig(facts: SectionFacts, settings: Limits, now: Date): WantedConfig {
  const { name, url, caFile, id, token, tokenExpiresAt, cloneUrl, concurrency, environment, cache } = facts;
  return {
    name,
    sections: facts.sections,
    atLeast: { concurrent: concurrency, shutdown_timeout: SHUTDOWN_TIMEOUT },
    atMost: { check_interval: CHECK_INTERVAL },
    runner: {
      url,
      id,
      token,
      // The runner hands it to jobs as well (CI_SERVER_TLS_CA_FILE), for git and for cache and
      // artifacts.
      ...(caFile === undefined ? {} : { 'tls-ca-file': caFile }),
      ...(tokenExpiresAt === undefined
        ? {}
        : { token_obtained_at: new TomlDate(now), token_expires_at: new TomlDate(tokenExpiresAt) }),
      executor: 'custom',
      limit: concurrency,
      // 1, the default, hands out one job at a time while a request waits at GitLab, and the runner
      // warns of it at each start.
      request_concurrency: Math.min(concurrency, REQUEST_CONCURRENCY),
      ...(cloneUrl === undefined ? {} : { clone_url: cloneUrl }),
      ...directories(settings),
      ...(environment.length === 0 ? {} : { environment: [...environment] }),
    },
    tables: {
      custom: { ...hooksOf(facts), ...timeouts(settings) },
      // Jobs may set GIT_CLONE_PATH: nobody else has a checkout on their machine.
      custom_build_dir: { enabled: true },
      ...(cache === undefined ? {} : cacheTables(cache)),
    },
  };
}

/** The config hook says them again for each job; a `{job}` in them is for it alone. */
function directories({ buildsDir, cacheDir }: Limits): Record<string, string> {
  const plain = { builds_dir: buildsDir, cache_dir: cacheDir };
  return Object.fromEntries(Object.entries(plain).filter(([, directory]) => !directory.includes('{')));
}

/** Seconds. */
export function timeouts({ limits, cleanup }: Pick<Settings, 'limits' | 'cleanup'>) {
  const prepareMs = WAIT_LIMIT_MS + limits.placementMs + limits.bootMs + limits.pullMs + limits.serviceMs;
  return {
    config_exec_timeout: 60,
    // All its own limits together, and a little: the hook gives up by itself and says why, before
    // the runner kills it.
    prepare_exec_timeout: Math.ceil(prepareMs / 1000) + 300,
    cleanup_exec_timeout: cleanup === 'wait' ? 900 : 120,
    // A hook that is told to end waits for its pulumi; cleanup begins 300 s after a job's timeout
    // at the latest.
    graceful_kill_timeout: 240,
    force_kill_timeout: 10,
  };
}

function hooksOf({ hooks, node, envFile }: SectionFacts): Record<string, string | string[]> {
  const values: Record<string, string | string[]> = {};
  for (const hook of HOOKS) {
    const script = path.join(hooks, HOOK_FILES[hook]);
    const command = hook === 'prepare' ? ['/bin/sh', script, node] : [node, script];
    // The runner hands its own environment to hooks, but a config.toml can only add to a job's:
    // env(1) can say it.
    if (envFile !== undefined && envFile !== DEFAULT_ENV_FILE)
      command.unshift('/usr/bin/env', `GITLAB_SPOT_ENV_FILE=${envFile}`);
    const [program = '', ...args] = command;
    values[`${hook}_exec`] = program;
    values[`${hook}_args`] = args;
  }
  return values;
}

/**
 * The node that runs this, by a path that survives an update where there is one: /usr/bin/node
 * rather than the version's own folder.
 */
export function lastingNode(execPath: string, resolve: (file: string) => string = realpathSync): string {
  for (const candidate of ['/usr/bin/node', '/usr/local/bin/node']) {
    try {
      if (resolve(candidate) === resolve(execPath)) return candidate;
    } catch {
      // Not there.
    }
  }
  return execPath;
}

function cacheTables(cache: CacheFacts): WantedConfig['tables'] {
  return {
    cache: { Type: 's3', Shared: true },
    'cache.s3': {
      ServerAddress: cache.endpoint,
      BucketName: cache.bucket,
      BucketLocation: cache.region,
      AccessKey: cache.accessKey,
      SecretKey: cache.secretKey,
      AuthenticationType: 'access-key',
      // OSS answers to bucket.endpoint only.
      PathStyle: false,
      Insecure: false,
    },
  };
}

/**
 * A loopback address leads an instance to itself; but where instances see this host at one, they
 * are on it.
 */
export function isOutOfReach(url: string, { executorCidrs }: Pick<Settings['cloud'], 'executorCidrs'>): boolean {
  return /^https?:\/\/(localhost|127\.|\[::1\])/.test(url) && !executorCidrs.some((cidr) => cidr.startsWith('127.'));
}
