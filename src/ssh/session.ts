import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { HostError } from '../errors';

/** What is needed to reach an instance by hand. */
export interface SessionTarget {
  readonly address: string;
  readonly sshPort: number;
  readonly sshUser: string;
  /** The pinned host key, an OpenSSH public key line. */
  readonly hostPublicKey: string;
}

/**
 * OpenSSH's own client with the job's key and the pinned host key, on this terminal.
 * @returns its exit code
 * @throws HostError without an `ssh` on PATH
 */
export function openSession(
  target: SessionTarget,
  files: { readonly directory: string; readonly privateKey: string },
  remote: readonly string[],
): Promise<number> {
  const knownHosts = path.join(files.directory, 'known_hosts');
  const host = target.sshPort === 22 ? target.address : `[${target.address}]:${target.sshPort}`;
  writeFileSync(knownHosts, `${host} ${target.hostPublicKey}\n`, { mode: 0o600 });
  const options = {
    UserKnownHostsFile: knownHosts,
    GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes',
    IdentitiesOnly: 'yes',
    PasswordAuthentication: 'no',
    ServerAliveInterval: '15',
    LogLevel: 'ERROR',
  };
  const args = [
    ...['-F', '/dev/null', '-i', files.privateKey, '-p', String(target.sshPort)],
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...[`${target.sshUser}@${target.address}`, ...(remote.length > 0 ? ['--', ...remote] : [])],
  ];
  return new Promise((resolve, reject) => {
    spawn('ssh', args, { stdio: 'inherit' })
      .once('error', (cause) =>
        reject(
          new HostError('There is no `ssh` on PATH', {
            remedy: 'Install the OpenSSH client on the runner host.',
            cause,
          }),
        ),
      )
      .once('exit', (code) => resolve(code ?? 255));
  });
}
