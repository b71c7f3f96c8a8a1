/** From a repository's `.gitlab-ci.yml` to the jobs of one pipeline. */
import type { z } from 'zod';
import { compose, type Files } from './compose';
import { pipelineVariables, type PipelineFacts } from './facts';
import type { DefinedVariable, JobDefinition, Pipeline } from './job-definition';
import { copiesOf, type Copy } from './matrix';
import { resolveNeeds, type ChosenJob } from './needs';
import { InvalidPipeline, invalid } from './problem';
import {
  defaultSchema,
  jobSchema,
  problemsOf,
  rulesSchema,
  stagesSchema,
  variablesSchema,
  workflowSchema,
  type DefaultConfig,
  type JobConfig,
  type Rule,
  type VariablesConfig,
} from './schema';
import { isSelected, matchingRule, type Circumstances } from './selection';
import { expand } from '../driver/variables';
import { isMapping, type Mapping } from './yaml';

const GLOBAL_DEFAULTS = ['image', 'services', 'cache', 'before_script', 'after_script'];
const GLOBAL_KEYS = ['default', 'stages', 'variables', 'workflow', 'spec', ...GLOBAL_DEFAULTS];
const IGNORED = ['secrets', 'identity', 'dast_configuration', 'publish'] as const;

/** @throws InvalidPipeline with every problem found. */
export function readPipeline(files: Files, facts: PipelineFacts, file = '.gitlab-ci.yml'): Pipeline {
  const early = { ...pipelineVariables(facts), ...facts.given };
  const circumstances = (variables: Readonly<Record<string, string>>): Circumstances => ({ facts, files, variables });
  const config = compose(file, files, (rules, place) => {
    const rule = matchingRule(parse(rulesSchema, rules, `${place}:rules`), circumstances(early), `${place}:rules`);
    return rule !== undefined && rule.when !== 'never';
  });
  const globals = readGlobals(config);
  const known = expandAll(definedVariables(globals.variables), facts.given, early);
  if (globals.workflow.rules) {
    const rule = matchingRule(globals.workflow.rules, circumstances(known), 'workflow:rules');
    if (!rule || rule.when === 'never') throw invalid('workflow:rules', `no rule lets a pipeline run for ${facts.ref}`);
    if (rule.variables) globals.variables = { ...globals.variables, ...rule.variables };
  }
  const triggers = triggerJobs(config);
  const parsed = parseJobs(config, triggers);
  const warnings = triggers.map(
    (name) => `jobs:${name}:trigger: is skipped, since the sandbox starts no other pipelines`,
  );
  const candidates = parsed.map(([name, job]) => new Candidate(name, inherit(job, globals), globals, facts, files));
  for (const { name, job } of candidates) warnings.push(...ignoredKeys(name, job));
  const problems = candidates.flatMap((candidate) => candidate.problems());
  if (problems.length > 0) throw new InvalidPipeline(problems);
  const chosen = candidates.flatMap((candidate) => candidate.choose());
  if (chosen.length === 0)
    throw invalid(
      'jobs',
      facts.mergeRequest
        ? 'no job is part of a merge request pipeline (a job without rules runs for branches and tags, unless there are workflow:rules)'
        : `no job is part of a pipeline for ${facts.refType} ${facts.ref}`,
    );
  if (chosen.every(({ job }) => job.stage === '.pre' || job.stage === '.post'))
    throw invalid('jobs', 'only jobs of .pre and .post would run, and GitLab makes no pipeline of these alone');
  const jobs = resolveNeeds(chosen, candidates, globals.stages, triggers);
  return { stages: globals.stages.filter((stage) => jobs.some((job) => job.stage === stage)), jobs, warnings };
}

function ignoredKeys(name: string, job: JobConfig): string[] {
  return IGNORED.filter((key) => job[key] !== undefined).map(
    (key) => `jobs:${name}:${key}: the sandbox has none of these; the job goes without`,
  );
}

interface Globals {
  readonly stages: readonly string[];
  variables: VariablesConfig;
  readonly defaults: DefaultConfig;
  readonly workflow: { readonly rules?: readonly Rule[] | undefined };
}

function parse<T extends z.ZodType>(schema: T, value: unknown, place: string): z.infer<T> {
  const result = schema.safeParse(value, { reportInput: true });
  if (!result.success) throw new InvalidPipeline(problemsOf(result.error, place));
  return result.data;
}

function readGlobals(config: Mapping): Globals {
  if ('spec' in config) throw invalid('spec', 'inputs are not known to the sandbox');
  const old = Object.fromEntries(GLOBAL_DEFAULTS.filter((key) => key in config).map((key) => [key, config[key]]));
  const given = config['default'] === undefined ? {} : config['default'];
  if (!isMapping(given)) throw invalid('default', 'should be a mapping of keywords');
  const stages =
    config['stages'] === undefined ? ['build', 'test', 'deploy'] : parse(stagesSchema, config['stages'], 'stages');
  return {
    stages: ['.pre', ...stages.filter((stage) => stage !== '.pre' && stage !== '.post'), '.post'],
    variables: parse(variablesSchema, config['variables'] ?? {}, 'variables'),
    defaults: parse(defaultSchema, { ...old, ...given }, 'default'),
    workflow: parse(workflowSchema, config['workflow'] ?? {}, 'workflow'),
  };
}

/** Jobs that start another pipeline. */
function triggerJobs(config: Mapping): string[] {
  return jobsOf(config).flatMap(([name, value]) => (isMapping(value) && 'trigger' in value ? [name] : []));
}

function jobsOf(config: Mapping): [string, unknown][] {
  return Object.entries(config).filter(([name]) => !name.startsWith('.') && !GLOBAL_KEYS.includes(name));
}

function parseJobs(config: Mapping, triggers: readonly string[]): [string, JobConfig][] {
  const jobs = jobsOf(config).filter(([name]) => !triggers.includes(name));
  const problems: string[] = [];
  const parsed = jobs.flatMap(([name, value]): [string, JobConfig][] => {
    const place = `jobs:${name}`;
    if (!isMapping(value)) problems.push(`${place}: should be a mapping of keywords`);
    else if ('run' in value) problems.push(`${place}:run: CI steps are not known to the sandbox; use script`);
    else {
      const result = jobSchema.safeParse(value, { reportInput: true });
      if (result.success) return [[name, result.data]];
      problems.push(...problemsOf(result.error, place));
    }
    return [];
  });
  if (problems.length > 0) throw new InvalidPipeline(problems);
  if (parsed.length === 0) throw invalid('jobs', 'the pipeline has no job that is not hidden');
  return parsed;
}

/** A job's own keywords win over `default:`, whole. */
function inherit(job: JobConfig, globals: Globals): JobConfig {
  const wish = job.inherit?.default ?? true;
  const defaults = Object.entries(globals.defaults).filter(([key]) =>
    Array.isArray(wish) ? wish.includes(key) : wish,
  );
  return {
    ...Object.fromEntries(defaults),
    ...Object.fromEntries(Object.entries(job).filter(([, value]) => value !== undefined)),
  };
}

function definedVariables(config: VariablesConfig): DefinedVariable[] {
  return Object.entries(config).map(([key, one]) => ({ key, value: one.value, raw: !one.expand }));
}

/** The values that expressions see; what was given for the run wins. */
function expandAll(
  defined: readonly DefinedVariable[],
  given: Readonly<Record<string, string>>,
  predefined: Readonly<Record<string, string>>,
): Record<string, string> {
  const known: Record<string, string> = { ...predefined };
  for (const one of defined) known[one.key] = one.value;
  Object.assign(known, given);
  const raw = new Set(defined.filter((one) => one.raw).map((one) => one.key));
  const value = (name: string, depth: number): string =>
    raw.has(name) || depth > 20
      ? (known[name] ?? '')
      : expand(known[name] ?? '', (inner) => (inner === name ? `$${name}` : value(inner, depth + 1)));
  return Object.fromEntries(Object.keys(known).map((name) => [name, value(name, 0)]));
}

/** A job of the file, before it is known whether it is part of this pipeline. */
export class Candidate {
  readonly place: string;

  constructor(
    readonly name: string,
    readonly job: JobConfig,
    private readonly globals: Globals,
    private readonly facts: PipelineFacts,
    private readonly files: Files,
  ) {
    this.place = `jobs:${name}`;
  }

  get stage(): string {
    return this.job.stage ?? 'test';
  }

  get copies(): Copy[] {
    return copiesOf(this.name, this.job.parallel);
  }

  /** What no schema sees. */
  problems(): string[] {
    const { job, place, globals } = this;
    const stages = globals.stages.slice(1, -1).join(', ');
    return [
      ...(globals.stages.includes(this.stage)
        ? []
        : [`${place}:stage: there is no stage ${this.stage}; stages are ${stages}`]),
      ...(job.script || job.release ? [] : [`${place}:script: is missing, and a job needs one`]),
      ...(job.rules && (job.only || job.except)
        ? [`${place}: has both rules and ${job.only ? 'only' : 'except'}; choose one`]
        : []),
    ];
  }

  /** Its copies, as jobs of this pipeline; none where it is no part of it. */
  choose(): ChosenJob[] {
    const known = expandAll(this.variables(undefined, {}), this.facts.given, pipelineVariables(this.facts));
    const now: Circumstances = { facts: this.facts, files: this.files, variables: known };
    const rules = this.job.rules;
    const rule = rules && matchingRule(rules, now, `${this.place}:rules`);
    const hasWorkflowRules = this.globals.workflow.rules !== undefined;
    const selected = rules
      ? rule && rule.when !== 'never'
      : this.job.when !== 'never' && isSelected(this.job, now, this.place, hasWorkflowRules);
    if (!selected) return [];
    const needs = rule?.needs ?? this.job.needs;
    return this.copies.map((copy) => ({ job: this.define(copy, rule), needs }));
  }

  private variables(rule: Rule | undefined, matrix: Readonly<Record<string, string>>): DefinedVariable[] {
    const { job, globals } = this;
    const wish = job.inherit?.variables ?? true;
    const inherited = Object.entries(globals.variables).filter(([key]) =>
      Array.isArray(wish) ? wish.includes(key) : wish,
    );
    const plain = (values: Readonly<Record<string, string>>) =>
      Object.entries(values).map(([key, value]) => ({ key, value, raw: false }));
    const all = [
      ...definedVariables(Object.fromEntries(inherited)),
      ...definedVariables(job.variables ?? {}),
      ...definedVariables(rule?.variables ?? {}),
      ...plain(matrix),
    ];
    return [...new Map(all.map((one) => [one.key, one])).values()];
  }

  private define(copy: Copy, rule: Rule | undefined): JobDefinition {
    const { job } = this;
    const when = rule?.when ?? job.when ?? 'on_success';
    const manualByJob = when === 'manual' && !this.job.rules;
    const allow = rule?.allow_failure ?? job.allow_failure ?? manualByJob;
    return {
      name: copy.name,
      baseName: this.name,
      stage: this.stage,
      variables: this.variables(rule, copy.variables),
      script: [...(job.before_script ?? []), ...(job.script ?? [])],
      afterScript: job.after_script ?? [],
      releaseScript: job.release && releaseCommands(job.release),
      image: job.image,
      services: job.services ?? [],
      artifacts: job.artifacts,
      cache: job.cache ?? [],
      idTokens: Object.fromEntries(Object.entries(job.id_tokens ?? {}).map(([name, { aud }]) => [name, aud])),
      preGetSourcesScript: job.hooks?.pre_get_sources_script ?? [],
      tags: job.tags ?? [],
      needs: undefined,
      dependencies: job.dependencies,
      when: when === 'never' ? 'manual' : when,
      startInSeconds: when === 'delayed' ? (rule?.start_in ?? job.start_in) : undefined,
      allowFailure: typeof allow === 'boolean' ? allow : { exitCodes: allow.exit_codes },
      retry: job.retry ?? { max: 0 },
      timeoutSeconds: job.timeout,
      resourceGroup: job.resource_group,
      environment: job.environment && environmentOf(job.environment),
      node: { index: copy.index, total: copy.total },
    };
  }
}

function environmentOf(one: NonNullable<JobConfig['environment']>): NonNullable<JobDefinition['environment']> {
  return {
    name: one.name,
    ...(one.url ? { url: one.url } : {}),
    ...(one.action ? { action: one.action } : {}),
    ...(one.deployment_tier ? { tier: one.deployment_tier } : {}),
  };
}

function releaseCommands(release: NonNullable<JobConfig['release']>): string[] {
  const flags = {
    name: release.name,
    description: release.description,
    'tag-name': release.tag_name,
    ref: release.ref,
  };
  const given = Object.entries(flags).filter(([, value]) => value !== undefined);
  return [`release-cli create ${given.map(([flag, value]) => `--${flag} "${value}"`).join(' ')}`];
}
