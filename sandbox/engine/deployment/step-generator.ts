import { DiffResponse, PropertyDiff } from '@pulumi/pulumi/proto/provider_pb';
import { type ProviderRegistry } from '../plugins/registry';
import { equal, type Properties, type Value } from '../rpc/values';
import { reveal } from '../secrets/envelope';
import { type Deployment, type Resource } from '../state/checkpoint';
import { type StepExecutor } from './step-executor';
import { diagnostic, type Emit } from './events';
import { stateOf, type TargetState } from './target-state';
import { dependents } from './graph';
import { keepIgnored } from './ignore-changes';
import { type Step } from './step';
import { isProviderType } from './urn';

/** A target state cannot be reached; it has been told as an event. */
export class TargetRefused extends Error {
  override readonly name = 'TargetRefused';
}

interface Difference {
  changed: boolean;
  replaces: string[];
  diffs: string[];
  deleteBeforeReplace: boolean;
  detailedDiff?: NonNullable<Step['detailedDiff']>;
}

const NO_DIFFERENCE: Difference = { changed: false, replaces: [], diffs: [], deleteBeforeReplace: false };

/** Decides what has to be done for each target state, one after another. */
export class StepGenerator {
  /** Resources of the old state that were seen again, or are already dealt with. */
  private readonly handled = new Set<Resource>();
  private readonly seen = new Set<string>();
  private readonly olds: Map<string, Resource>;

  constructor(
    private readonly base: Deployment | undefined,
    private readonly registry: ProviderRegistry,
    private readonly executor: StepExecutor,
    private readonly emit: Emit,
  ) {
    this.olds = new Map(
      (base?.resources ?? []).filter((resource) => !resource.delete).map((resource) => [resource.urn, resource]),
    );
  }

  /** The steps that reach a target state; throws TargetRefused. */
  async steps(target: TargetState): Promise<Step[]> {
    if (this.seen.has(target.urn))
      this.refuse(target.urn, `Duplicate resource URN '${target.urn}'; try giving it a unique name`);
    this.seen.add(target.urn);
    const old = this.findOld(target);
    if (old) this.handled.add(old);
    const inputs = await this.check(target, old?.external ? undefined : old);
    const now = stateOf(target, inputs);
    if (!old || old.external) return [this.createStep(now)];
    const difference = await this.difference(target, old, now);
    if (old.pendingReplacement || difference.replaces.length > 0) return this.replace(target, old, now, difference);
    if (difference.changed || old.initErrors?.length) return [this.updateStep(target, old, now, difference)];
    return [this.sameStep(old, now)];
  }

  /** The step that reads a resource which the program does not manage. */
  readStep(now: Resource): Step {
    const old = this.olds.get(now.urn);
    if (old) this.handled.add(old);
    const { urn, type, provider } = now;
    return {
      op: 'read',
      urn,
      type,
      ...(provider && { provider }),
      ...(old && { old }),
      new: now,
      logical: true,
      apply: () => this.executor.read(now),
    };
  }

  /** Steps for what is in the old state and in no target state. */
  deletions(): Step[] {
    const condemned = (this.base?.resources ?? []).filter((resource) => !this.handled.has(resource));
    return condemned.map((resource) => this.deleteStep(resource));
  }

  deleteStep(resource: Resource): Step {
    const { urn, type, provider } = resource;
    const common = { urn, type, ...(provider && { provider }), old: resource };
    if (resource.external) return { ...common, op: 'discard', logical: false };
    if (resource.delete)
      return { ...common, op: 'delete-replaced', logical: false, apply: () => this.executor.delete(resource) };
    if (resource.pendingReplacement) return { ...common, op: 'remove-pending-replace', logical: false };
    return { ...common, op: 'delete', logical: true, apply: () => this.remove(resource) };
  }

  private async remove(resource: Resource): ReturnType<StepExecutor['delete']> {
    if (!resource.protect) return this.executor.delete(resource);
    const text =
      `resource "${resource.urn}" cannot be deleted\nbecause it is protected. To unprotect the resource, either remove the \`protect\` flag ` +
      'from the resource in your Pulumi program and run `pulumi up`, or use the command:\n' +
      `\`pulumi state unprotect '${resource.urn}'\``;
    return { status: 'unchanged', error: new Error(text) };
  }

  private findOld(target: TargetState): Resource | undefined {
    return [target.urn, ...target.aliases].map((urn) => this.olds.get(urn)).find((found) => found !== undefined);
  }

  private async check(target: TargetState, old: Resource | undefined): Promise<Properties> {
    if (!target.custom) return target.inputs;
    const wanted = old ? keepIgnored(target.inputs, old.inputs ?? {}, target.ignoreChanges) : target.inputs;
    const checker = isProviderType(target.type) ? this.registry : await this.registry.get(target.provider!);
    const { inputs, failures } = await checker.check(target.urn, old?.inputs ?? {}, wanted);
    if (failures.length === 0) return inputs;
    for (const { property, reason } of failures) {
      const text = property
        ? `${target.type} resource '${target.name}': property ${property} value {${valueText(target.inputs[property])}} has a problem: ${reason}`
        : `${target.type} resource '${target.name}' has a problem: ${reason}`;
      this.emit(diagnostic('error', text, target.urn));
    }
    throw new TargetRefused(`resource ${target.urn} has check errors`);
  }

  private async difference(target: TargetState, old: Resource, now: Resource): Promise<Difference> {
    if (!target.custom)
      return equal(old.inputs ?? {}, now.inputs ?? {}) ? NO_DIFFERENCE : { ...NO_DIFFERENCE, changed: true };
    if (isProviderType(target.type))
      return fromAnswer(await this.registry.diff(target.urn, old, now.inputs ?? {}), old, now);
    const provider = await this.registry.get(now.provider!);
    const state = { olds: old.outputs ?? {}, oldInputs: old.inputs ?? {}, news: now.inputs ?? {} };
    const answer = fromAnswer(await provider.diff(target.urn, old.id!, state, target.ignoreChanges), old, now);
    const forced = answer.diffs.filter((key) =>
      target.replaceOnChanges.some((path) => path === '*' || path.split(/[.[]/)[0] === key),
    );
    return forced.length > 0 ? { ...answer, replaces: [...new Set([...answer.replaces, ...forced])] } : answer;
  }

  private createStep(now: Resource): Step {
    const { urn, type, provider } = now;
    return {
      op: 'create',
      urn,
      type,
      ...(provider && { provider }),
      new: now,
      logical: true,
      apply: () => this.executor.create(now),
    };
  }

  private sameStep(old: Resource, now: Resource): Step {
    const { urn, type, provider } = now;
    const apply = async () => {
      Object.assign(now, defined({ id: old.id, outputs: old.outputs, created: old.created, modified: old.modified }));
      if (isProviderType(type)) await this.registry.configure(urn, old.id!, now.inputs ?? {});
      return { status: 'ok' as const };
    };
    return { op: 'same', urn, type, ...(provider && { provider }), old, new: now, logical: true, apply };
  }

  private updateStep(target: TargetState, old: Resource, now: Resource, difference: Difference): Step {
    const { urn, type, provider } = now;
    return {
      op: 'update',
      urn,
      type,
      ...(provider && { provider }),
      old,
      new: now,
      logical: true,
      diffs: difference.diffs,
      ...(difference.detailedDiff && { detailedDiff: difference.detailedDiff }),
      apply: () => this.executor.update(old, now, target.ignoreChanges),
    };
  }

  private async replace(target: TargetState, old: Resource, now: Resource, difference: Difference): Promise<Step[]> {
    if (target.protect && old.protect) {
      this.refuse(
        target.urn,
        `unable to replace resource "${target.urn}"\nas it is currently marked for protection. To unprotect the resource, ` +
          'remove the `protect` flag from the resource in your Pulumi program and run `pulumi up`',
      );
    }
    now.inputs = await this.check(target, undefined);
    const { urn, type, provider } = now;
    const common = {
      urn,
      type,
      ...(provider && { provider }),
      old,
      new: now,
      keys: difference.replaces,
      diffs: difference.diffs,
      ...(difference.detailedDiff && { detailedDiff: difference.detailedDiff }),
    };
    const create: Step = {
      ...common,
      op: 'create-replacement',
      logical: false,
      apply: () => this.executor.create(now),
    };
    const replace: Step = { ...common, op: 'replace', logical: true };
    const first = target.deleteBeforeReplace ?? difference.deleteBeforeReplace;
    if (!first && !old.pendingReplacement) {
      // The old one stays until everything else is done, and then goes.
      this.handled.delete(old);
      return [{ ...create, apply: () => this.createBeside(old, now) }, replace];
    }
    return [...(await this.deleteFirst(old)), replace, create];
  }

  private async createBeside(old: Resource, now: Resource): ReturnType<StepExecutor['create']> {
    const outcome = await this.executor.create(now);
    if (outcome.status === 'ok' || outcome.status === 'partial') old.delete = true;
    return outcome;
  }

  /**
   * Deletes a resource before its replacement comes, and before it those that cannot be without it.
   */
  private async deleteFirst(old: Resource): Promise<Step[]> {
    if (old.pendingReplacement) return [];
    const affected = dependents(old.urn, this.base?.resources ?? []).filter(
      (resource) =>
        resource.custom &&
        !resource.external &&
        !resource.delete &&
        !resource.pendingReplacement &&
        !this.seen.has(resource.urn) &&
        usesProperty(resource, old.urn),
    );
    return [...affected.reverse(), old].map((resource): Step => {
      const { urn, type, provider } = resource;
      const apply = async () => {
        const outcome = await this.executor.delete(resource);
        if (outcome.status === 'ok') resource.pendingReplacement = true;
        return outcome;
      };
      return { op: 'delete-replaced', urn, type, ...(provider && { provider }), old: resource, logical: false, apply };
    });
  }

  private refuse(urn: string, text: string): never {
    this.emit(diagnostic('error', text, urn));
    throw new TargetRefused(text);
  }
}

function usesProperty(resource: Resource, urn: string): boolean {
  return (
    Object.values(resource.propertyDependencies ?? {}).some((urns) => urns.includes(urn)) ||
    Boolean(resource.deletedWith === urn)
  );
}

function fromAnswer(answer: DiffResponse, old: Resource, now: Resource): Difference {
  const changedKeys = () => {
    const [before, after] = [reveal(old.inputs ?? {}), reveal(now.inputs ?? {})];
    return [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .filter((key) => !equal(before[key], after[key]))
      .sort();
  };
  const { DIFF_UNKNOWN, DIFF_SOME } = DiffResponse.DiffChanges;
  const unknown = answer.getChanges() === DIFF_UNKNOWN;
  const diffs = unknown ? changedKeys() : answer.getDiffsList();
  const changed = unknown ? diffs.length > 0 : answer.getChanges() === DIFF_SOME;
  const replaces = answer.getReplacesList();
  const detailedDiff: NonNullable<Step['detailedDiff']> = {};
  answer.getDetaileddiffMap().forEach((diff, key) => {
    detailedDiff[key] = { diffKind: DIFF_KINDS[diff.getKind()]!, inputDiff: diff.getInputdiff() };
  });
  return {
    changed: changed || replaces.length > 0,
    replaces,
    diffs,
    deleteBeforeReplace: answer.getDeletebeforereplace(),
    ...(Object.keys(detailedDiff).length > 0 && { detailedDiff }),
  };
}

/** How events name the kinds of a property's change: ADD_REPLACE is add-replace. */
const DIFF_KINDS = Object.fromEntries(
  Object.entries(PropertyDiff.Kind).map(([name, kind]) => [kind, name.toLowerCase().replace('_', '-')]),
);

function defined<T extends object>(object: T): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function valueText(value: Value | undefined): string {
  return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
}
