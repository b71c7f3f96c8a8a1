import { isDockerDaemon } from './names';
import type { ContainerRequest } from './request';

/**
 * Where a docker daemon as a service leaves its clients' certificates (DOCKER_TLS_CERTDIR: /certs,
 * as GitLab documents it).
 */
const CLIENT_CERTIFICATES = 'gitlab-spot-certificates:/certs/client';

/**
 * What the job's container and its services have in common, as with GitLab's docker executor:
 * checkout and cache at their own places.
 */
export function sharedFolders({ response, buildsDir, cacheDir }: ContainerRequest): readonly string[] {
  const hasDaemon = response.services.some(({ name }) => isDockerDaemon(name));
  return [`${buildsDir}:${buildsDir}`, `${cacheDir}:${cacheDir}`, ...(hasDaemon ? [CLIENT_CERTIFICATES] : [])].flatMap(
    (volume) => ['--volume', volume],
  );
}
