/** One job an instance: fixed names. */
export const BUILD_CONTAINER = 'gitlab-spot-build';
export const NETWORK = 'gitlab-spot';

export function serviceContainer(index: number): string {
  return `gitlab-spot-service-${index}`;
}

/**
 * Under which names the job reaches a service, as GitLab documents them: its aliases, else the
 * image's name without tag, once with `__` and once with `-` for each slash.
 * https://docs.gitlab.com/ci/services/#accessing-the-services
 */
export function serviceAliases(image: string, alias: string): readonly string[] {
  const repository = image
    .replace(/@.*$/, '')
    .replace(/:[^/:]*$/, '')
    .replace(/:\d+\//, '/');
  const names = [repository.replaceAll('/', '__'), repository.replaceAll('/', '-')];
  return [...new Set([...names, ...alias.split(/[\s,]+/)].filter((name) => name !== ''))];
}

/**
 * Docker in docker, as GitLab documents it: `docker:dind`, `docker:27-dind`; of any registry or
 * mirror, with a digest or without.
 */
export function isDockerDaemon(image: string): boolean {
  return /(^|\/)docker:([^/]*-)?dind(-[^/]*)?$/.test(image.replace(/@.*$/, ''));
}
