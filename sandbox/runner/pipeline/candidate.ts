/** A job of the file, before it is known whether it is part of this pipeline. */
import { expand } from '../driver/variables';
import type { Files } from './compose';
import { pipelineVariables, type PipelineFacts } from './facts';
import type { DefinedVariable, JobDefinition } from './job-definition';
import { copiesOf, type Copy } from './matrix';
import type { ChosenJob } from './needs';
import type { DefaultConfig, JobConfig, Rule, VariablesConfig } from './schema';
import { isSelected, matchingRule, type Circumstances } from './selection';

/** What the file says for all jobs. */
export interface Globals {
  readonly stages: readonly string[];
  variables: VariablesConfig;
  readonly defaults: DefaultConfig;
  readonly workflow: { readonly rules?: readonly Rule[] | undefined };
}

export function definedVariables(config: VariablesConfig): DefinedVariable[] {
  return Object.entries(config).map(([key, one]) => ({ key, value: one.value, raw: !one.expand }));
}

/** The values that expressions see; what was given for the run wins. */
export function expandAll(
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

export class Candidate {
  readonly place: string;

  constructor(
    readonly name: string,
    readonly job: JobConfig,
    private readonly globals: Globals,
    private readonly facts: PipelineFacts,
    private readonly files: Files,
  ) {
    this.place = `job ${name}`;
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
        : [`${place}: stage: there is no stage ${this.stage}; stages are ${stages}`]),
      ...(job.script || job.release ? [] : [`${place}: script: is missing, and a job needs one`]),
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
    const rule = rules && matchingRule(rules, now, `${this.place}: rules`);
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
