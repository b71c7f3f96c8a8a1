import type { JobService } from '../gitlab/types';
import { quote } from '../ssh/quote';
import { poll, type Docker } from './docker';
import { NETWORK, serviceAliases, serviceContainer } from './names';
import type { ContainerRequest } from './prepare';
import { environmentFile } from './variables';

const HEALTH_LIMIT_MS = 30_000;

/** Starts a service beside the job, under its aliases. */
export async function startService(
  docker: Docker,
  service: JobService,
  index: number,
  variables: Readonly<Record<string, string>>,
): Promise<void> {
  const name = serviceContainer(index);
  const file = `service-${index}.env`;
  await docker.keep(file, environmentFile({ ...variables, ...service.variables }));
  const aliases = serviceAliases(service.name, service.alias).flatMap((alias) => ['--network-alias', alias]);
  const [program, ...words] = service.entrypoint ?? [];
  const args = [
    ...['run', '--detach', '--name', name, '--network', NETWORK, ...aliases],
    ...(program === undefined ? [] : ['--entrypoint', program]),
    ...(service.user === undefined ? [] : ['--user', service.user]),
    ...(service.platform === undefined ? [] : ['--platform', service.platform]),
    ...privileges(service.name),
  ];
  await docker.must(`Starting the service ${service.name}`, [
    ...args,
    ...['--env-file', `${await docker.folder()}/${file}`],
    service.name,
    ...words,
    ...service.command,
  ]);
}

/** A docker daemon as a service needs it, and the machine is this job's alone. */
function privileges(image: string): readonly string[] {
  return /(^|\/)docker:([^/]*-)?dind(-[^/]*)?$/.test(image) ? ['--privileged'] : [];
}

/**
 * Waits until a service is ready: its health check if its image has one, else the ports that it exposes. As with GitLab's docker executor,
 * a service that isn't ready within the limit is a warning with its last words, not the end of the job.
 */
export async function waitForService(
  docker: Docker,
  service: JobService,
  index: number,
  { log, signal, healthMs = HEALTH_LIMIT_MS }: ContainerRequest,
): Promise<void> {
  const name = serviceContainer(index);
  log.line(`Waiting for the service ${service.name} (limit ${Math.round(healthMs / 1000)} s)`);
  const state = await poll(() => stateOf(docker, name), healthMs, signal);
  if (state === 'ready') return;
  const { stdout, stderr } = await docker.run(['logs', '--tail', '20', name]);
  log.warn(
    `The service ${service.name} ${state === 'ended' ? 'has ended' : `is not ready after ${Math.round(healthMs / 1000)} s`}; its last lines:`,
  );
  for (const line of `${stdout}${stderr}`.trim().split('\n')) log.line(`  ${line}`);
}

const INSPECT =
  '{{.State.Running}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}} {{range $port, $_ := .Config.ExposedPorts}}{{$port}} {{end}}';

async function stateOf(docker: Docker, name: string): Promise<'ready' | 'ended' | undefined> {
  const { stdout } = await docker.run(['inspect', '--format', INSPECT, name]);
  const [running, health = 'none', address = '', ...ports] = stdout.trim().split(/\s+/);
  if (running !== 'true') return 'ended';
  if (health === 'healthy') return 'ready';
  if (health !== 'none') return undefined;
  const tcp = ports.map((port) => /^(\d+)\/tcp$/.exec(port)?.[1]).filter((port) => port !== undefined);
  if (tcp.length === 0) return 'ready';
  return (await answers(docker, address, tcp[0]!)) ? 'ready' : undefined;
}

/** From the instance, with what it has: bash's own /dev/tcp, or nc. Without either nobody can tell, and nobody waits. */
async function answers(docker: Docker, address: string, port: string): Promise<boolean> {
  const connect = quote(`exec 3<>/dev/tcp/${address}/${port}`);
  const command = `if command -v bash >/dev/null; then timeout 2 bash -c ${connect}; elif command -v nc >/dev/null; then nc -z -w 2 ${address} ${port}; fi`;
  const { exitCode } = await docker.shell(`{ ${command}; } </dev/null >/dev/null 2>&1`, { timeoutMs: 10_000 });
  return exitCode === 0;
}
