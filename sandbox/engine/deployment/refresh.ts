import { type Deployment, type Resource } from '../state/checkpoint';
import { equal } from '../rpc/values';
import { type StepExecutor } from './step-executor';
import { type StepScheduler } from './step-scheduler';
import { type Op, type Outcome, type Step } from './step';
import { isProviderType } from './urn';
import { PartialFailure } from '../plugins/provider';
import { RpcError } from '../rpc/transport';

/** Asks the cloud what has become of each resource and rewrites the state by it, in place. */
export async function refresh(base: Deployment, scheduler: StepScheduler, executor: StepExecutor): Promise<void> {
  const found = new Map<Resource, Resource | undefined>();
  const runs = (base.resources ?? []).map((resource) => scheduler.run(refreshStep(resource, executor, found)));
  const results = await Promise.allSettled(runs);
  base.resources = (base.resources ?? []).flatMap((resource) => {
    const now = found.has(resource) ? found.get(resource) : resource;
    return now ? [now] : [];
  });
  dropReferences(base.resources);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason as Error;
}

function refreshStep(old: Resource, executor: StepExecutor, found: Map<Resource, Resource | undefined>): Step {
  const step: Step = {
    op: 'refresh',
    urn: old.urn,
    type: old.type,
    ...(old.provider && { provider: old.provider }),
    old,
    new: old,
    logical: false,
  };
  step.apply = async (): Promise<Outcome> => {
    if (!old.custom || isProviderType(old.type) || old.external) {
      step.resultOp = 'same';
      return { status: 'ok' };
    }
    try {
      const now = await executor.refreshed(old);
      found.set(old, now);
      step.resultOp = resultOf(old, now);
      if (now) step.new = now;
      else delete step.new;
      return { status: 'ok' };
    } catch (error) {
      const text = error instanceof RpcError ? error.details : (error as Error).message;
      return { status: error instanceof PartialFailure ? 'partial' : 'unchanged', error: new Error(text) };
    }
  };
  return step;
}

function resultOf(old: Resource, now: Resource | undefined): Op {
  if (!now) return 'delete';
  return equal(old.outputs ?? {}, now.outputs ?? {}) ? 'same' : 'update';
}

/** Who referred to a resource that is gone refers to it no more. */
function dropReferences(resources: Resource[]): void {
  const known = new Set(resources.map(({ urn }) => urn));
  for (const resource of resources) {
    const { dependencies, propertyDependencies, parent, deletedWith } = resource;
    if (dependencies) resource.dependencies = dependencies.filter((urn) => known.has(urn));
    if (propertyDependencies) {
      for (const [key, urns] of Object.entries(propertyDependencies))
        propertyDependencies[key] = urns.filter((urn) => known.has(urn));
    }
    if (parent && !known.has(parent)) delete resource.parent;
    if (deletedWith && !known.has(deletedWith)) delete resource.deletedWith;
  }
}
