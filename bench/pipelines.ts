import { generator, normal } from './timeline';
import type { Day } from './simulation';

/** A job of a simulated day, as it is planned: when it comes is known when its stage begins. */
export interface PlannedJob {
  readonly name: string;
  readonly length: number;
}

export interface Pipeline {
  readonly id: number;
  readonly project: string;
  readonly startsAt: number;
  /** One after the other: a stage begins when all jobs of the one before have ended. */
  readonly stages: readonly (readonly PlannedJob[])[];
}

/** How much a job's length differs from one pipeline of its project to the next (sigma). */
const FROM_RUN_TO_RUN = 0.2;

/** Pipelines over the day: a working day of ten hours with its peak after lunch, and a night. */
export function pipelines(day: Day): Pipeline[] {
  const random = generator(day.seed);
  const found: Pipeline[] = [];
  const stages = day.stages ?? [day.pipelineJobs];
  const usual = new Map<string, number>();
  const ofProjects = generator(day.seed + 1);
  for (let left = day.jobs, id = 0; left > 0; id++) {
    const startsAt = random() < day.workShare ? 9 * 3600 + ((random() + random()) / 2) * 10 * 3600 : random() * 86_400;
    const project = `gitlab#${Math.floor(ofProjects() * (day.projects ?? 40))}`;
    let n = 0;
    const jobs = stages.map((count) =>
      Array.from({ length: count }, () => `job-${n++}`)
        .slice(0, Math.max(0, left))
        .map((name) => {
          left -= 1;
          return { name, length: day.jobSeconds * Math.exp(lengthOf(day, random, `${project} ${name}`, usual)) };
        }),
    );
    found.push({ id, project, startsAt, stages: jobs.filter((stage) => stage.length > 0) });
  }
  return found;
}

/** Logarithm of its length in medians: of a job that is known by its name, much as ever. */
function lengthOf({ jobSpread, stages }: Day, random: () => number, job: string, usual: Map<string, number>): number {
  if (!stages) return jobSpread * normal(random);
  const ofRun = Math.min(FROM_RUN_TO_RUN, jobSpread);
  const known = usual.get(job) ?? Math.sqrt(jobSpread ** 2 - ofRun ** 2) * normal(random);
  usual.set(job, known);
  return known + ofRun * normal(random);
}
