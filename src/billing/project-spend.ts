import type { SumName } from './ledger-lines';

/** What was spent on a project. */
export interface ProjectSpend {
  /** What budgets call it. */
  readonly key: string;
  /** Its path, the newest where it was renamed; '': machines that waited for a job. */
  readonly project: string;
  readonly yuan: number;
}

/**
 * Sums by project: a renamed one is one, and lines from before ids were kept are those of the
 * project that has their path.
 * @param sums of one currency, oldest first
 */
export function byProject(
  sums: readonly (Pick<SumName, 'key' | 'project'> & { readonly yuan: number })[],
): readonly ProjectSpend[] {
  const keys = new Map(sums.filter(({ key, project }) => key !== project).map(({ key, project }) => [project, key]));
  const spent = new Map<string, ProjectSpend>();
  for (const { key: own, project, yuan } of sums) {
    const key = own === project ? (keys.get(project) ?? own) : own;
    spent.set(key, { key, project, yuan: (spent.get(key)?.yuan ?? 0) + yuan });
  }
  return [...spent.values()];
}
