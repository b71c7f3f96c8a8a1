import * as z from 'zod/mini';
import { pageSchema } from './profile-schema';

/**
 * JSON Schema of stacks/instances.yaml, for completion in editors; `npm run schema` writes it to
 * stacks/instances.schema.json.
 */
export function profilesJsonSchema(): string {
  const schema = z.toJSONSchema(pageSchema, { target: 'draft-7' });
  return `${JSON.stringify({ title: 'Instance profiles of gitlab-spot', ...schema }, null, 2)}\n`;
}
