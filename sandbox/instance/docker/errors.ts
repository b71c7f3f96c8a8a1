/** What docker prints to standard error before it ends. */
export class DockerError extends Error {
  constructor(
    message: string,
    readonly exitCode = 1,
  ) {
    super(message);
  }
}

export function noSuch(kind: string, name: string): DockerError {
  return new DockerError(`Error: No such ${kind}: ${name}`);
}

/** An error of `docker run`: 125 is docker's own, everything else is the command's. */
export function runError(message: string, exitCode = 125): DockerError {
  const help = exitCode === 125 ? "\nSee 'docker run --help'." : '';
  return new DockerError(`docker: Error response from daemon: ${message}${help}`, exitCode);
}
