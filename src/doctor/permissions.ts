import { missingPermissions, type MissingPermission } from '../cloud/permissions';
import type { Rpc } from '../cloud/rpc';
import { executorPolicy } from '../../stacks/ram-policy';
import { bad, good, warning, type Finding } from './finding';

const actionsOf = (images: boolean): readonly string[] =>
  executorPolicy({ images }).Statement.flatMap(({ Action }) => Action);

/** Each action of the policy that `ram-policy` prints, tried: one line for each that is missing. */
export async function permissions(rpc: Pick<Rpc, 'call'>): Promise<readonly Finding[]> {
  const forJobs = actionsOf(false);
  const forImages = actionsOf(true).filter((action) => !forJobs.includes(action));
  const missing = await missingPermissions(rpc, [...forJobs, ...forImages]);
  const named = (actions: readonly string[]) => missing.filter(({ action }) => actions.includes(action));
  return [
    ...granted('permissions for jobs', forJobs, named(forJobs)),
    ...granted('permissions for images', forImages, named(forImages)),
  ];
}

function granted(
  condition: string,
  actions: readonly string[],
  missing: readonly MissingPermission[],
): readonly Finding[] {
  // More than that a try can't prove: whether permissions are looked at before parameters is not
  // documented for each action.
  if (missing.length === 0) return [good(condition, `none of ${actions.length} actions is refused`)];
  const report = condition.endsWith('jobs') ? bad : warning;
  return missing.map(({ action, refusal }) =>
    report(
      `permission ${action}`,
      refusal.message,
      `Grant ${action} to the executor's RAM user or role; \`gitlab-spot ram-policy\` prints the whole policy.`,
    ),
  );
}
