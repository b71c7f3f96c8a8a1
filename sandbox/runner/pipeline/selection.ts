/** Whether a job is part of a pipeline, and how: `rules:`, `only:`, `except:`. */
import { globMatches, type Files } from './compose';
import { evaluate, InvalidExpression, parsePattern } from './expression';
import { isBranchPipeline, type PipelineFacts, type PipelineSource } from './facts';
import { invalid } from './problem';
import type { JobConfig, Refs, Rule } from './schema';

export interface Circumstances {
  readonly facts: PipelineFacts;
  readonly files: Files;
  /** By name, references replaced. */
  readonly variables: Readonly<Record<string, string>>;
}

/** The first rule that matches; undefined where none does. */
export function matchingRule(rules: readonly Rule[], now: Circumstances, place: string): Rule | undefined {
  return rules.find((rule, index) => ruleMatches(rule, now, `${place}: rule ${index + 1}`));
}

function ruleMatches(rule: Rule, now: Circumstances, place: string): boolean {
  if (rule.if !== undefined && !holds(rule.if, now, `${place}: if`)) return false;
  if (rule.changes && !anyChanged(rule.changes.paths, now)) return false;
  if (rule.exists && !rule.exists.paths.some((glob) => anyFile(glob, now.files.list(), now))) return false;
  return true;
}

function holds(expression: string, now: Circumstances, place: string): boolean {
  try {
    return evaluate(expression, (name) => now.variables[name] ?? null);
  } catch (error) {
    if (error instanceof InvalidExpression) throw invalid(place, `\`${expression}\` ${error.message}`);
    throw error;
  }
}

function anyChanged(globs: readonly string[], now: Circumstances): boolean {
  const { changedFiles } = now.facts;
  return changedFiles === undefined || globs.some((glob) => anyFile(glob, changedFiles, now));
}

function anyFile(glob: string, files: readonly string[], now: Circumstances): boolean {
  const expanded = glob.replace(/\$\{?(\w+)\}?/g, (_all, name: string) => now.variables[name] ?? '');
  const pattern = expanded.replace(/^\/+/, '');
  return files.some((file) => globMatches(pattern.endsWith('/') ? `${pattern}**` : pattern, file));
}

/**
 * `only` and `except`, where a job has no rules. A file with `workflow:rules` has no default for
 * them.
 */
export function isSelected(job: JobConfig, now: Circumstances, place: string, hasWorkflowRules: boolean): boolean {
  const only = job.only ?? (hasWorkflowRules ? {} : { refs: ['branches', 'tags'] });
  if (!everyPart(only, now, `${place}: only`)) return false;
  return !job.except || !somePart(job.except, now, `${place}: except`);
}

/** Each part of `only` must hold. */
function everyPart(refs: Refs, now: Circumstances, place: string): boolean {
  return parts(refs, now, place).every((part) => part);
}

/** Any part of `except` is enough. */
function somePart(refs: Refs, now: Circumstances, place: string): boolean {
  return parts(refs, now, place).some((part) => part);
}

function parts(refs: Refs, now: Circumstances, place: string): boolean[] {
  return [
    ...(refs.refs ? [refs.refs.some((ref) => refMatches(ref, now.facts, `${place}: refs`))] : []),
    ...(refs.variables ? [refs.variables.some((expression) => holds(expression, now, `${place}: variables`))] : []),
    ...(refs.changes ? [anyChanged(refs.changes, now)] : []),
    ...(refs.kubernetes ? [false] : []),
  ];
}

/** Words of `only` and `except` that ask how a pipeline came about. */
const REFS_BY_SOURCE: Readonly<Record<string, PipelineSource>> = {
  pushes: 'push',
  web: 'web',
  schedules: 'schedule',
  api: 'api',
  triggers: 'trigger',
  merge_requests: 'merge_request_event',
};

function refMatches(ref: string, facts: PipelineFacts, place: string): boolean {
  const [name = '', project] = ref.split('@');
  if (project !== undefined && project !== facts.projectPath) return false;
  if (name === 'branches') return isBranchPipeline(facts);
  if (name === 'tags') return facts.refType === 'tag';
  const source = REFS_BY_SOURCE[name];
  if (source !== undefined) return facts.source === source;
  if (facts.mergeRequest) return false;
  if (!name.startsWith('/')) return name === facts.ref;
  try {
    return parsePattern(name).test(facts.ref);
  } catch (error) {
    throw invalid(place, (error as Error).message);
  }
}
