import * as z from 'zod/mini';
import type { JobService } from '../gitlab/types';
import { quote } from '../ssh/quote';
import { MOST_INSPECTED_BYTES, poll, type Docker } from './docker';
import { isDockerDaemon, NETWORK, serviceAliases, serviceContainer } from './names';
import type { ContainerRequest } from './request';
import { sharedFolders } from './shared';
import { serviceVariables } from './variables';

/** Starts a service beside the job, under its aliases. */
export async function startService(
  docker: Docker,
  service: JobService,
  index: number,
  request: ContainerRequest,
): Promise<void> {
  const [program, ...words] = service.entrypoint ?? [];
  await docker.make(
    'run',
    {
      name: serviceContainer(index),
      what: `the service ${service.name}`,
      variables: serviceVariables(service, request.response.variables, request.variables),
    },
    [
      ...['--network', NETWORK],
      ...serviceAliases(service.name, service.alias).flatMap((alias) => ['--network-alias', alias]),
      ...sharedFolders(request),
      ...(program === undefined ? [] : ['--entrypoint', program]),
      ...(service.user === undefined ? [] : ['--user', service.user]),
      ...(service.platform === undefined ? [] : ['--platform', service.platform]),
      // The machine is this job's alone.
      ...(isDockerDaemon(service.name) ? ['--privileged'] : []),
      ...[service.name, ...words, ...service.command],
    ],
  );
}

/**
 * Waits until a service is ready: as GitLab's docker executor, until one of the ports that it
 * exposes (or HEALTHCHECK_TCP_PORT) answers; else its image's own health check. A service that
 * isn't ready within the limit is a warning with its last words, not the end of the job.
 */
export async function waitForService(
  docker: Docker,
  service: JobService,
  index: number,
  { log, signal, serviceMs }: ContainerRequest,
): Promise<void> {
  if (serviceMs === 0) return;
  const name = serviceContainer(index);
  const limit = `${Math.round(serviceMs / 1000)} s`;
  log.line(`Waiting for the service ${service.name} (limit ${limit})`);
  const state = await poll(() => stateOf(docker, service.name, name), serviceMs, signal);
  if (state === 'ready') return;
  const lastLines = await docker.lastLines(name, 20);
  log.warn(
    `The service ${service.name} ${state === 'ended' ? 'has ended' : `is not ready after ${limit}`}; its last lines:`,
  );
  for (const line of lastLines.trim().split('\n')) log.line(`  ${line}`);
}

/** What of `docker inspect` tells whether a service is ready. */
const inspected = z.object({
  State: z.object({ Running: z.boolean(), Health: z.optional(z.object({ Status: z.string() })) }),
  Config: z.object({
    Env: z.optional(z.nullable(z.array(z.string()))),
    ExposedPorts: z.optional(z.nullable(z.record(z.string(), z.unknown()))),
  }),
  NetworkSettings: z.object({ Networks: z.record(z.string(), z.object({ IPAddress: z.string() })) }),
});
type Inspected = z.infer<typeof inspected>;

/** @throws ContainerFailed */
async function stateOf(docker: Docker, service: string, name: string): Promise<'ready' | 'ended' | undefined> {
  const stdout = await docker.must(`Looking at the service ${service}`, ['inspect', '--format', '{{json .}}', name], {
    mostBytes: MOST_INSPECTED_BYTES,
  });
  const { State, Config, NetworkSettings } = inspected.parse(JSON.parse(stdout));
  if (!State.Running) return 'ended';
  if (State.Health?.Status === 'healthy') return 'ready';
  const ports = portsOf(Config);
  const address = NetworkSettings.Networks[NETWORK]?.IPAddress ?? '';
  if (ports.length > 0) return (await answers(docker, address, ports)) ? 'ready' : undefined;
  return State.Health === undefined || State.Health.Status === 'none' ? 'ready' : undefined;
}

const MOST_PORTS = 20;

/** HEALTHCHECK_TCP_PORT of the service's environment alone, else what its image exposes. */
function portsOf({ Env, ExposedPorts }: Inspected['Config']): readonly number[] {
  const asked = (Env ?? []).map((entry) => /^HEALTHCHECK_TCP_PORT=(\d+)$/i.exec(entry)?.[1]).find(Boolean);
  if (asked !== undefined) return [Number(asked)];
  return Object.keys(ExposedPorts ?? {})
    .flatMap((port) => /^(\d+)\/tcp$/.exec(port)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
    .slice(0, MOST_PORTS);
}

/**
 * One of them, from the instance, with what it has: bash's own /dev/tcp, or nc. Without either
 * nobody can tell, and nobody waits.
 */
async function answers(docker: Docker, address: string, ports: readonly number[]): Promise<boolean> {
  const connect = 'exec 3<>"/dev/tcp/$0/$1"';
  const command = [
    `address=${quote(address)}`,
    'command -v bash || command -v nc || exit 0',
    `for port in ${ports.join(' ')}; do`,
    `  if command -v bash; then timeout 1 bash -c ${quote(connect)} "$address" "$port" && exit 0`,
    '  else nc -z -w 1 "$address" "$port" && exit 0; fi',
    'done',
    'exit 1',
  ].join('\n');
  const { exitCode } = await docker.shell(`{ ${command}\n} </dev/null >/dev/null 2>&1`, { timeoutMs: 30_000 });
  return exitCode === 0;
}
