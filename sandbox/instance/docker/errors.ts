/** What docker prints to standard error before it ends. */
export class DockerError extends Error {
  constructor(
    message: string,
    readonly exitCode = 1,
  ) {
    super(message);
  }
}

/** An error of `docker run`: 125 is docker's own, everything else is the command's. */
export function runError(message: string): DockerError {
  return new DockerError(`docker: Error response from daemon: ${message}\nSee 'docker run --help'.`, 125);
}
