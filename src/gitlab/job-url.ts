/**
 * A job's page in GitLab. Undefined: no address is known, or the project is not.
 * @param serverUrl with the path below which GitLab lives
 */
export function jobUrl(serverUrl: string, project: string, jobId: number): string | undefined {
  if (!/^https?:\/\//.test(serverUrl) || project === '') return undefined;
  const path = project.split('/').map(encodeURIComponent).join('/');
  return `${serverUrl.replace(/\/+$/, '')}/${path}/-/jobs/${jobId}`;
}
