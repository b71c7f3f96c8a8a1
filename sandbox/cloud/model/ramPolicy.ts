/** A RAM policy document as it is written down. */
import { z } from 'zod';
import type { RamPolicy } from '../types';

const oneOrMany = z.union([z.string(), z.array(z.string())]);

const statement = z
  .object({
    Effect: z.enum(['Allow', 'Deny']),
    Action: oneOrMany,
    Resource: oneOrMany,
    Condition: z.record(z.string(), z.record(z.string(), oneOrMany)).optional(),
  })
  .transform(({ Condition, ...rest }) => (Condition === undefined ? rest : { ...rest, Condition }));

export const ramPolicySchema = z.object({ Version: z.literal('1'), Statement: z.array(statement) });

/** One policy that grants what all of them do together. */
export function joined(documents: readonly string[]): RamPolicy {
  const policies = documents.map((document) => ramPolicySchema.parse(JSON.parse(document)));
  return { Version: '1', Statement: policies.flatMap((policy) => policy.Statement) };
}
