import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { prepareContainers } from '../../src/containers/prepare';
import { containerInterpreter } from '../../src/containers/stage';
import { parseJobResponse } from '../../src/gitlab/job-response';
import { connect, installSupervisor } from '../../src/ssh';
import type { StageOutcome, StageRequest } from '../../src/ssh/types';
import type { DockerDaemon } from './docker';
import { startServer, type ServerKind, type TestServer } from './ssh/servers';
import { startStage, type Log, type StageRunning } from './ssh/stages';

/** An instance with a real docker, and the containers of a job on it. */
export class ContainerInstance {
  readonly log: string[] = [];
  readonly buildsDir: string;

  private constructor(readonly server: TestServer) {
    this.buildsDir = path.join(server.home, 'builds');
  }

  static async start(daemon: DockerDaemon, kind: ServerKind): Promise<ContainerInstance> {
    const server = await startServer(kind);
    // As an image does whose docker is put on PATH by a start-up file of the login; and such files
    // print.
    const prints = 'echo Welcome; printf no-newline >&2\n';
    writeFileSync(path.join(server.home, '.bash_profile'), `PATH="${daemon.instancePath}:$PATH"\n${prints}`);
    writeFileSync(path.join(server.home, '.bashrc'), prints);
    return new ContainerInstance(server);
  }

  /** `job`: fields of the job's response. `variables`: what the runner would hand to the hooks. */
  async prepare(
    job: object,
    variables: Readonly<Record<string, string>> = {},
    limits: { readonly pullMs?: number; readonly serviceMs?: number; readonly entryPointMs?: number } = {},
  ): Promise<void> {
    this.log.length = 0;
    const connection = await connect(this.server.target);
    try {
      await installSupervisor(connection);
      await prepareContainers({
        connection,
        response: parseJobResponse(job)!,
        variables,
        buildsDir: this.buildsDir,
        cacheDir: path.join(this.server.home, 'cache'),
        pullMs: 20_000,
        serviceMs: 1_000,
        entryPointMs: 30_000,
        ...limits,
        log: { line: (text) => this.log.push(text), warn: (text) => this.log.push(`WARNING: ${text}`) },
        signal: new AbortController().signal,
      });
    } finally {
      connection.close();
    }
  }

  async run(script: string): Promise<{ outcome: StageOutcome; log: Log }> {
    const { log, outcome } = this.start(script);
    return { log, outcome: await outcome };
  }

  start(script: string, request: Partial<StageRequest> = {}): StageRunning {
    return startStage(this.server.target, script, { request: { interpreter: containerInterpreter(), ...request } });
  }

  get warnings(): readonly string[] {
    return this.log.filter((line) => line.startsWith('WARNING: '));
  }
}
