import { type Resource } from '../state/checkpoint';
import { parseProviderReference } from './urn';

/** URNs that a resource cannot be without: parent, provider, dependencies. */
function directDependencies(resource: Resource): Set<string> {
  const urns = new Set(resource.dependencies ?? []);
  for (const property of Object.values(resource.propertyDependencies ?? {})) property.forEach((urn) => urns.add(urn));
  if (resource.parent) urns.add(resource.parent);
  if (resource.provider) urns.add(parseProviderReference(resource.provider).urn);
  if (resource.deletedWith) urns.add(resource.deletedWith);
  urns.delete(resource.urn);
  return urns;
}

/** The resources that depend on one, directly or through others, in the order of the state. */
export function dependents(of: string, resources: readonly Resource[]): Resource[] {
  const found = new Set([of]);
  const result: Resource[] = [];
  // A state is ordered so that whoever depends comes after what it depends on.
  for (const resource of resources) {
    if (resource.urn === of || ![...directDependencies(resource)].some((urn) => found.has(urn))) continue;
    found.add(resource.urn);
    result.push(resource);
  }
  return result;
}

/**
 * The order in which resources may go: waves, each after the one before, so that nothing goes
 * before what needs it. A resource goes as late as its distance from those that need nothing else
 * demands, as the real engine schedules it.
 */
export function deletionWaves(condemned: readonly Resource[]): Resource[][] {
  const waves: Resource[][] = [];
  let rest = [...condemned];
  while (rest.length > 0) {
    const urns = new Set(rest.map(({ urn }) => urn));
    const free = rest.filter((resource) => ![...directDependencies(resource)].some((urn) => urns.has(urn)));
    const wave = free.length > 0 ? free : rest;
    waves.push(wave);
    rest = rest.filter((resource) => !wave.includes(resource));
  }
  return waves.reverse();
}
