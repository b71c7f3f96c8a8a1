/**
 * Images and registries. There is no registry: every image can be pulled, but for two kinds of name, by which failures are tried:
 * a repository that begins with `missing` doesn't exist, and one of a registry host that begins with `private` wants a login first.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DockerError } from './errors';
import { images, type Image } from './store';

const HUB = 'https://index.docker.io/v1/';

/** With its tag: `alpine` is `alpine:latest`. */
export function fullName(name: string): string {
  return /(?::[\w.-]+|@sha256:[0-9a-f]+)$/.test(name) ? name : `${name}:latest`;
}

export function findImage(name: string): Image | undefined {
  return images.find(fullName(name)) ?? images.find(name);
}

/** @throws DockerError as a registry's refusal reads */
export function pull(name: string): Image {
  const full = fullName(name);
  const [first = ''] = full.split('/');
  const host = full.includes('/') && /[.:]|^localhost$/.test(first) ? first : undefined;
  const repository = (host === undefined ? full : full.slice(host.length + 1)).replace(/[:@].*$/, '');
  const refused =
    (host?.startsWith('private') === true && credentialsFor(host) === undefined) || repository.startsWith('missing');
  if (refused) {
    const what = host === undefined ? repository : `${host}/${repository}`;
    throw new DockerError(
      `Error response from daemon: pull access denied for ${what}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
    );
  }
  const Id = `sha256:${createHash('sha256').update(full).digest('hex')}`;
  const Env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];
  return images.put({ Id, RepoTags: [full], Config: { Env, Cmd: ['sh'], Entrypoint: null, User: '' } });
}

/** A login writes what the real client does: base64 of user:password in config.json. A password `wrong` is refused. */
export function login(host: string | undefined, user: string, password: string): string {
  if (password === 'wrong')
    throw new DockerError('Error response from daemon: login attempt failed with status: 401 Unauthorized');
  const config = readConfig();
  const auth = Buffer.from(`${user}:${password}`).toString('base64');
  writeConfig({ ...config, auths: { ...config.auths, [host ?? HUB]: { auth } } });
  return 'Login Succeeded';
}

export function logout(host: string | undefined): string {
  const config = readConfig();
  const auths = Object.fromEntries(Object.entries(config.auths).filter(([name]) => name !== (host ?? HUB)));
  writeConfig({ ...config, auths });
  return `Removing login credentials for ${host ?? HUB}`;
}

interface Config {
  readonly auths: Readonly<Record<string, { readonly auth: string }>>;
}

function credentialsFor(host: string): string | undefined {
  return readConfig().auths[host]?.auth;
}

function configFile(): string {
  return path.join(process.env['DOCKER_CONFIG'] ?? path.join(process.env['HOME'] ?? '/', '.docker'), 'config.json');
}

function readConfig(): Config {
  const file = configFile();
  return { auths: {}, ...(existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object) : {}) };
}

function writeConfig(config: Config): void {
  mkdirSync(path.dirname(configFile()), { recursive: true, mode: 0o700 });
  writeFileSync(configFile(), JSON.stringify(config, undefined, '\t'), { mode: 0o600 });
}
