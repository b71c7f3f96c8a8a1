import { prepareContainers } from '../containers/prepare';
import type { HookContext } from '../gitlab/contract';
import type { JobLog } from '../gitlab/job-log';
import type { Settings } from '../settings/types';
import { installSupervisor } from '../ssh/supervisor';
import type { SshConnection } from '../ssh/types';
import { ensureHelperOf, ensureRunnerHelper, hostRunnerBinary } from './runner-helper';

export interface ProvisionRequest {
  readonly connection: SshConnection;
  readonly context: HookContext;
  readonly stackName: string;
  /** It has been through provisionSpare. */
  readonly isSpare: boolean;
  readonly settings: Settings;
  readonly log: JobLog;
  readonly signal: AbortSignal;
}

const ENTRY_POINT_LIMIT_MS = 120_000;

/**
 * What an instance needs before its first stage: the supervisor, a gitlab-runner for cache and
 * artifacts, the job's containers.
 */
export async function provisionInstance(request: ProvisionRequest): Promise<void> {
  const { connection, settings, log, signal, stackName, isSpare } = request;
  const { response, variables } = request.context;
  if (!isSpare) await installSupervisor(connection);
  signal.throwIfAborted();
  await ensureHelperOf(request.context, settings, { connection, log });
  signal.throwIfAborted();
  if (response !== undefined) {
    await prepareContainers({
      connection,
      response,
      variables,
      buildsDir: settings.buildsDir.replaceAll('{job}', stackName),
      cacheDir: settings.cacheDir.replaceAll('{job}', stackName),
      pullMs: settings.limits.pullMs,
      serviceMs: settings.limits.serviceMs,
      entryPointMs: ENTRY_POINT_LIMIT_MS,
      log,
      signal,
    });
  }
}

/** What a spare machine gets before it is anybody's: all that does not depend on a job. */
export async function provisionSpare({
  connection,
  settings,
  log,
  signal,
}: Pick<ProvisionRequest, 'connection' | 'settings' | 'signal'> & {
  readonly log: Pick<JobLog, 'line' | 'warn'>;
}): Promise<void> {
  await installSupervisor(connection);
  signal.throwIfAborted();
  await ensureRunnerHelper({
    connection,
    source: settings.runnerHelper,
    runnerVersion: '',
    jobPath: undefined,
    used: undefined,
    log,
    hostBinary: () => hostRunnerBinary(settings.childEnvironment.PATH ?? ''),
  });
  signal.throwIfAborted();
}
