/**
 * Hooks that run every stage on this machine, in a folder of each job's own: a runner's pipeline
 * without any cloud.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  runPipeline,
  standInRunner,
  type PipelineRequest,
  type Project,
  type StartRunner,
} from '../../../sandbox/runner/run-pipeline';
import { builtFolder } from '../../../sandbox/start';
import type { PipelineResult, RunnerEvent, RunnerOptions } from '../../../sandbox/runner/types';

export interface LocalRun {
  readonly result: PipelineResult;
  readonly events: readonly RunnerEvent[];
}

export interface LocalOptions {
  /** Files of the repository; `.gitlab-ci.yml` among them. */
  readonly files: Readonly<Record<string, string>>;
  /** Tags of its first commit; a second one has none. */
  readonly tags?: readonly string[];
  readonly request?: Partial<PipelineRequest>;
  readonly runner?: Partial<RunnerOptions>;
  /** sh text put before the hook's own. */
  readonly before?: Partial<Record<'config' | 'prepare' | 'run' | 'cleanup', string>>;
  readonly onEvent?: (event: RunnerEvent, project: Project) => void;
  /** Left out: the stand-in. */
  readonly startRunner?: (options: RunnerOptions) => StartRunner;
}

const RUN = `"$1"
code=$?
[ $code -eq 0 ] && exit 0
[ -z "$BUILD_EXIT_CODE_FILE" ] || echo $code > "$BUILD_EXIT_CODE_FILE"
exit $BUILD_FAILURE_EXIT_CODE`;

/**
 * What a project's variables say about its clone, shell and names: a pipeline whose every job tells
 * one of them.
 */
export const VARIABLES = {
  tags: ['v1', 'v2'],
  files: {
    '.gitlab-ci.yml': `
clone: { variables: { GIT_CLONE_PATH: $CI_BUILDS_DIR/else/where }, script: ['echo "in \${PWD##*/builds/}"'] }
checked: { variables: { FF_ENABLE_BASH_EXIT_CODE_CHECK: "true" }, script: [set +e, 'false', echo went on] }
unchecked: { script: [set +e, 'false', echo went on] }
traced: { variables: { CI_DEBUG_TRACE: "true" }, script: ['echo "number $((6 * 7))"'] }
whole: { variables: { GIT_DEPTH: 0 }, script: ['echo "tags" $(git tag)'] }
shallow: { variables: { GIT_DEPTH: 1 }, script: ['echo "tags" $(git tag)'] }
names:
  environment: { name: review/$CI_COMMIT_REF_NAME }
  script: ['echo "slug $CI_ENVIRONMENT_SLUG"', 'echo "image \${CI_REGISTRY_IMAGE#*:} at \${CI_SERVER_FQDN%:*}"']
`,
  },
};

/** A git repository of these files, with one commit, and one more where there are tags. */
export async function makeRepository(
  folder: string,
  files: Readonly<Record<string, string>>,
  tags: readonly string[] = [],
): Promise<string> {
  const repository = path.join(folder, 'demo');
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(repository, name)), { recursive: true });
    await writeFile(path.join(repository, name), text);
  }
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Test', '-c', 'user.email=test@example.com', ...args], {
      cwd: repository,
      stdio: 'pipe',
      env: { ...process.env, GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z', GIT_COMMITTER_DATE: '2026-01-01T00:00:00Z' },
    });
  git('init', '-q', '-b', 'main');
  git('add', '.');
  git('commit', '-qm', 'first');
  for (const tag of tags) git('tag', tag);
  if (tags.length > 0) git('commit', '-q', '--allow-empty', '-m', 'second');
  return repository;
}

export async function runLocally(options: LocalOptions): Promise<LocalRun> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'local-hooks-'));
  const hook = async (name: 'config' | 'prepare' | 'run' | 'cleanup', text: string) => {
    const file = path.join(folder, name);
    await writeFile(file, `#!/bin/sh\n${options.before?.[name] ?? ''}\n${text}\n`, { mode: 0o755 });
    return [file];
  };
  const answer = { builds_dir: `${folder}/builds/JOB`, cache_dir: `${folder}/cache`, hostname: 'local' };
  const events: RunnerEvent[] = [];
  let project: Project | undefined;
  try {
    const result = await runPipeline(
      { repository: await makeRepository(folder, options.files, options.tags), ...options.request },
      (options.startRunner ?? standInRunner)({
        hooks: {
          config: await hook('config', `echo '${JSON.stringify(answer)}' | sed "s/JOB/$CUSTOM_ENV_CI_JOB_ID/"`),
          prepare: await hook('prepare', 'exit 0'),
          run: await hook('run', RUN),
          cleanup: await hook('cleanup', 'exit 0'),
        },
        environment: { PATH: `${builtFolder()}/bin:${process.env['PATH']}`, HOME: folder, TMPDIR: folder },
        concurrency: 4,
        limits: { retryPauseMs: 1 },
        ...options.runner,
      }),
      (event) => {
        events.push(event);
        if (project) options.onEvent?.(event, project);
      },
      (opened) => (project = opened),
    );
    return { result, events };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The log's own text: no colours, no section marks. */
export function plain(log: string): string {
  return log.replace(/section_(?:start|end):\d+:\w+\r\x1b\[0K/g, '').replace(/\x1b\[[0-9;]*[mK]/g, '');
}
