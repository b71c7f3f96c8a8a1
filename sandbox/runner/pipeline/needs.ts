/** `needs:` and `dependencies:` as names of the pipeline's jobs. */
import type { DefinedNeed, JobDefinition } from './job-definition';
import { combinations, copyName, type Copy } from './matrix';
import { InvalidPipeline } from './problem';
import type { Need } from './schema';

/** A job of the file, whether or not it is part of this pipeline. */
export interface NamedJob {
  readonly name: string;
  readonly stage: string;
  readonly copies: readonly Copy[];
}

/** A job of this pipeline, and what it needs as the file (or the rule that matched) has it. */
export interface ChosenJob {
  readonly job: JobDefinition;
  readonly needs: readonly Need[] | undefined;
}

/**
 * The jobs with their needs resolved. @throws InvalidPipeline where one names a job that is not
 * there, or needs go round.
 */
export function resolveNeeds(
  chosen: readonly ChosenJob[],
  candidates: readonly NamedJob[],
  stages: readonly string[],
  /** Jobs that the sandbox skips: nobody waits for them. */
  skipped: readonly string[],
): JobDefinition[] {
  const problems: string[] = [];
  const candidateOf = new Map(candidates.map((one) => [one.name, one]));
  const inPipeline = new Set(chosen.map(({ job }) => job.name));
  const order = new Map(stages.map((stage, index) => [stage, index]));

  const resolve = (need: Need, place: string): DefinedNeed[] => {
    if (need.job === undefined || need.project !== undefined || skipped.includes(need.job)) return [];
    const name = need.job;
    const target = candidateOf.get(name);
    const direct = !target && inPipeline.has(name) ? [name] : [];
    const found = target
      ? need.parallel
        ? combinations(need.parallel.matrix).map((one) => copyName(name, one))
        : target.copies.map((copy) => copy.name)
      : direct;
    const present = found.filter((one) => inPipeline.has(one));
    if (found.length > 0 && present.length === found.length) return [{ jobs: present, artifacts: need.artifacts }];
    if (need.optional) return present.length > 0 ? [{ jobs: present, artifacts: need.artifacts }] : [];
    problems.push(
      target
        ? `${place}: needs ${name}, which is not in this pipeline; \`optional: true\` would do without it`
        : `${place}: needs ${name}, and there is no such job`,
    );
    return [];
  };

  const resolved = chosen.map(({ job, needs }): JobDefinition => {
    const place = `job ${job.baseName}`;
    for (const name of job.dependencies ?? []) {
      const target = candidateOf.get(name);
      if (!target && !inPipeline.has(name) && !skipped.includes(name))
        problems.push(`${place}: dependencies: names ${name}, and there is no such job`);
      else if (target && (order.get(target.stage) ?? 0) >= (order.get(job.stage) ?? 0) && !needs)
        problems.push(`${place}: dependencies: names ${name}, which is in no earlier stage`);
    }
    return needs ? { ...job, needs: needs.flatMap((need) => resolve(need, `${place}: needs`)) } : job;
  });
  problems.push(...circles(resolved));
  if (problems.length > 0) throw new InvalidPipeline([...new Set(problems)]);
  return resolved;
}

function circles(jobs: readonly JobDefinition[]): string[] {
  const byName = new Map(jobs.map((job) => [job.name, job]));
  const state = new Map<string, 'open' | 'done'>();
  const found: string[] = [];
  const visit = (name: string, chain: readonly string[]): void => {
    if (state.get(name) === 'done') return;
    if (state.get(name) === 'open') {
      found.push(
        `job ${name}: needs: ${[...chain.slice(chain.indexOf(name)), name].join(' → ')} goes round in a circle`,
      );
      return;
    }
    state.set(name, 'open');
    for (const need of byName.get(name)?.needs ?? []) for (const job of need.jobs) visit(job, [...chain, name]);
    state.set(name, 'done');
  };
  for (const job of jobs) visit(job.name, []);
  return found;
}
