/** `needs:` and `dependencies:` as names of the pipeline's jobs. */
import type { DefinedNeed, JobDefinition } from './job-definition';
import { combinations, copyName, isCopyOf, type Copy } from './matrix';
import type { Problems } from './problem';
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

/** What a need may name. */
export interface KnownJobs {
  readonly candidates: readonly NamedJob[];
  readonly stages: readonly string[];
  /** Jobs that the sandbox skips: nobody waits for them. */
  readonly skipped: readonly string[];
}

/**
 * The jobs with their needs resolved. `missing` is told of jobs that are not there: these are not
 * waited for.
 */
export function resolveNeeds(
  chosen: readonly ChosenJob[],
  { candidates, stages, skipped }: KnownJobs,
  problems: Problems,
  missing: Problems,
): JobDefinition[] {
  const candidateOf = new Map(candidates.map((one) => [one.name, one]));
  const inPipeline = new Set(chosen.map(({ job }) => job.name));
  const order = new Map(stages.map((stage, index) => [stage, index]));
  const isSkipped = (name: string) => skipped.some((one) => name === one || isCopyOf(one, name));

  const resolve = (need: Need, place: string): DefinedNeed[] => {
    if (need.job === undefined || need.project !== undefined || isSkipped(need.job)) return [];
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
    missing.add(
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
      if (!target && !inPipeline.has(name) && !isSkipped(name))
        missing.add(`${place}: dependencies: names ${name}, and there is no such job`);
      else if (target && (order.get(target.stage) ?? 0) >= (order.get(job.stage) ?? 0) && !needs)
        problems.add(`${place}: dependencies: names ${name}, which is in no earlier stage`);
    }
    return needs ? { ...job, needs: needs.flatMap((need) => resolve(need, `${place}: needs`)) } : job;
  });
  problems.add(...circles(resolved));
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
