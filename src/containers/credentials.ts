import * as z from 'zod/mini';
import { parsedAs } from '../schema';

/**
 * Which credentials an image is pulled with, by the rules of GitLab's docker executor
 * (gitlab-runner, helpers/docker/auth), not by the docker client's: keys may name a path in a
 * registry, and the longest that fits wins; Docker Hub is `docker.io`; of several sources the first
 * wins. https://docs.gitlab.com/ci/docker/using_docker_images/#use-statically-defined-credentials
 */

/** As docker's config.json has it: `auth` is base64 of user:password. */
export type RegistryLogin = z.infer<typeof login>;
/** By registry, or registry and path, in any of the ways in which people write them. */
export type Logins = Readonly<Record<string, RegistryLogin>>;

const text = z.catch(z.optional(z.string()), undefined);
const login = z.object({ auth: text, username: text, password: text, identitytoken: text, registrytoken: text });
const helper = z.string().check(z.regex(/^[A-Za-z0-9][\w.-]*$/));

/**
 * A program that holds logins is named without `docker-credential-` before it, and may not be a
 * path.
 */
const dockerConfig = z.object({
  auths: z.catch(z.record(z.string(), login), {}),
  credsStore: z.optional(z.nullable(z.union([z.literal(''), helper]))),
  credHelpers: z.optional(z.nullable(z.record(z.string(), helper))),
});
export type DockerConfig = z.infer<typeof dockerConfig>;

/** @returns undefined for what is no docker config */
export function parseDockerConfig(json: string): DockerConfig | undefined {
  return parsedAs(dockerConfig, json);
}

export function passwordLogin(username: string, password: string): RegistryLogin {
  return { auth: Buffer.from(`${username}:${password}`).toString('base64') };
}

const DOCKER_HUB = 'docker.io';
/** How docker's client calls it. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';

/**
 * A config.json with which docker's client uses the one login that GitLab's rules give for the
 * image; with none, it pulls without a login.
 * @param sources the first that has a key decides about it
 */
export function configForImage(image: string, sources: readonly Logins[]): string {
  const known = new Map<string, RegistryLogin>();
  for (const [key, value] of sources.flatMap((source) => Object.entries(source))) {
    const registry = registryPath(key);
    if (!known.has(registry)) known.set(registry, value);
  }
  const path = imagePath(image);
  const key = prefixes(path).find((prefix) => known.has(prefix));
  const host = path.split('/')[0]!;
  const login = key === undefined ? undefined : asDockerReadsIt(known.get(key)!);
  return JSON.stringify({ auths: login ? { [host === DOCKER_HUB ? DOCKER_HUB_KEY : host]: login } : {} });
}

function asDockerReadsIt({ username, password, ...rest }: RegistryLogin): RegistryLogin {
  return username === undefined || rest.auth ? rest : { ...rest, ...passwordLogin(username, password ?? '') };
}

/** `a/b/c`, `a/b`, `a`. */
function prefixes(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
}

/** Registry and repository, without tag and digest. */
function imagePath(image: string): string {
  const name = image.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  const [first = '', ...rest] = name.split('/');
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  if (!isHost) return `${DOCKER_HUB}/${name}`;
  const host = first.toLowerCase();
  return [host === `index.${DOCKER_HUB}` ? DOCKER_HUB : host, ...rest].join('/');
}

/**
 * A key of a config. With a scheme it is a host alone, whatever follows
 * (`https://index.docker.io/v1/`).
 */
function registryPath(key: string): string {
  const withScheme = /^https?:\/\/([^/]*)/i.exec(key)?.[1];
  const path = withScheme ?? key.replace(/\/$/, '').replace(/(\/[^:]*):[^/]*$/, '$1');
  const [host = '', ...rest] = path.split('/');
  const lower = host.toLowerCase();
  return [withScheme !== undefined && lower === `index.${DOCKER_HUB}` ? DOCKER_HUB : lower, ...rest].join('/');
}
