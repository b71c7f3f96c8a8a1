/** What config_exec prints: one JSON object. */
import { z } from 'zod';
import { SystemFailed } from './failure';

const answerSchema = z.object({
  builds_dir: z.string().optional(),
  cache_dir: z.string().optional(),
  builds_dir_is_shared: z.boolean().optional(),
  hostname: z.string().optional(),
  driver: z.object({ name: z.string().optional(), version: z.string().optional() }).optional(),
  job_env: z.record(z.string(), z.string()).optional(),
  shell: z.enum(['bash', 'sh']).optional(),
});

export type ConfigAnswer = z.infer<typeof answerSchema>;

/** @throws SystemFailed where it is no such object. Empty output is an empty answer. */
export function parseConfigAnswer(stdout: string): ConfigAnswer {
  if (stdout.trim() === '') return {};
  let json: unknown;
  try {
    json = JSON.parse(stdout);
  } catch (error) {
    throw new SystemFailed(`error while parsing JSON output: ${(error as Error).message.replaceAll('\n', ' ')}`);
  }
  const parsed = answerSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new SystemFailed(`error while parsing JSON output: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}
