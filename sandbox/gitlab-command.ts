/**
 * `npm run sandbox -- gitlab`: a GitLab with one project, whose pipeline waits for whoever
 * registers a runner.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ownRepository } from './demo/own-repository';
import { Screen } from './demo/screen';
import type { Output } from './demo/terminal';
import { ACCESS_TOKEN, Project, RUNNER_TOKEN } from './runner/run-pipeline';
import { SandboxProblem } from './start';

export interface GitLabCommand {
  /** Left out: the demo's own project. */
  readonly repo: string | undefined;
  readonly port: number;
  readonly verbose: boolean;
}

/**
 * Stays until it is told to end, as a GitLab does. @returns the exit code: 0 where the pipeline
 * succeeded
 */
export async function serveGitLab({ repo, port, verbose }: GitLabCommand, output: Output): Promise<number> {
  const work = await mkdtemp(path.join(os.tmpdir(), 'sandbox-gitlab-command-'));
  const screen = new Screen(output, { verbose, now: () => Date.now(), variables: process.env });
  const told = signals();
  try {
    const project = await Project.open({
      repository: repo === undefined ? await ownRepository(work) : path.resolve(repo),
      ...(repo === undefined ? { projectPath: 'demo/tally' } : {}),
      withoutImages: true,
      // Another number each time, as a GitLab that stays has it: what is kept of earlier jobs is
      // not theirs.
      firstJobId: Math.floor(Date.now() / 1000) % 1_000_000,
      port,
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') throw error;
      throw new SandboxProblem(
        `port ${port} of this machine is taken, by another \`npm run sandbox -- gitlab\` most likely; end that one first`,
      );
    });
    try {
      screen.say(`GitLab at ${project.gitlab.url}; runner token ${RUNNER_TOKEN}, access token ${ACCESS_TOKEN}`);
      for (const warning of project.pipeline.warnings) screen.say(`note: ${warning}`);
      screen.say('the pipeline waits for a runner; Ctrl-C cancels it');
      told.listener = () => project.cancel();
      const { succeeded } = await project.run((event) => screen.see(event));
      screen.close();
      output.write(`the pipeline ${succeeded ? 'succeeded' : 'failed'}\n`);
      if (!told.happened) {
        output.write('GitLab stays for questions about its jobs until Ctrl-C\n');
        await new Promise<void>((resolve) => (told.listener = resolve));
      }
      return succeeded ? 0 : 1;
    } finally {
      await project.close();
    }
  } finally {
    told.close();
    screen.close();
    await rm(work, { recursive: true, force: true });
  }
}

function signals() {
  const told = {
    happened: false,
    listener: () => undefined as void,
    close: () => NAMES.forEach((name) => process.off(name, hear)),
  };
  const hear = () => {
    told.happened = true;
    told.listener();
  };
  for (const name of NAMES) process.on(name, hear);
  return told;
}
const NAMES = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
