import { readPipeline } from '../../../../sandbox/runner/pipeline/pipeline';
import { InvalidPipeline } from '../../../../sandbox/runner/pipeline/problem';
import type { PipelineFacts } from '../../../../sandbox/runner/pipeline/facts';
import type { JobDefinition, Pipeline } from '../../../../sandbox/runner/pipeline/job-definition';

export const FACTS: PipelineFacts = {
  projectId: 42,
  projectPath: 'root/demo',
  serverUrl: 'http://127.0.0.1:8929',
  pipelineId: 7,
  ref: 'main',
  refType: 'branch',
  defaultBranch: 'main',
  sha: '360d664fad7b49c84bbb4a8c5f4bf3b1995db415',
  beforeSha: '0'.repeat(40),
  commitMessage: 'first',
  commitAuthor: 'Test <test@example.com>',
  commitTimestamp: '2026-11-24T12:00:00Z',
  changedFiles: ['src/main.c', 'docs/guide.md'],
  given: {},
  protectedRef: true,
  source: 'push',
};

/** The pipeline of these files (`.gitlab-ci.yml` may be given as one text). */
export function read(config: string | Readonly<Record<string, string>>, facts: Partial<PipelineFacts> = {}): Pipeline {
  const files = typeof config === 'string' ? { '.gitlab-ci.yml': config } : config;
  return readPipeline({ read: (file) => files[file], list: () => Object.keys(files) }, { ...FACTS, ...facts });
}

export function job(
  config: string | Readonly<Record<string, string>>,
  name = 'job',
  facts: Partial<PipelineFacts> = {},
): JobDefinition {
  const found = read(config, facts).jobs.find((one) => one.name === name);
  if (!found) throw new Error(`no job ${name}`);
  return found;
}

export function problems(
  config: string | Readonly<Record<string, string>>,
  facts: Partial<PipelineFacts> = {},
): readonly string[] {
  try {
    read(config, facts);
  } catch (error) {
    if (error instanceof InvalidPipeline) return error.problems;
    throw error;
  }
  return [];
}

/** Names of the jobs in the pipeline. */
export function names(config: string | Readonly<Record<string, string>>, facts: Partial<PipelineFacts> = {}): string[] {
  return read(config, facts).jobs.map((one) => one.name);
}
