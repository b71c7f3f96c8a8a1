/** The type of every stack's root resource. */
export const STACK_TYPE = 'pulumi:pulumi:Stack';
const PROVIDER_TYPE = 'pulumi:providers:';

/** A resource's name within everything: urn:pulumi:STACK::PROJECT::PARENT_TYPE$TYPE::NAME. */
export function makeUrn(
  stack: string,
  project: string,
  parent: string | undefined,
  type: string,
  name: string,
): string {
  const outer = parent ? qualifiedType(parent) : '';
  const qualified = outer && outer !== STACK_TYPE ? `${outer}$${type}` : type;
  return `urn:pulumi:${stack}::${project}::${qualified}::${name}`;
}

/** The types from the outermost component to the resource itself, joined by $. */
function qualifiedType(urn: string): string {
  return urn.split('::')[2] ?? '';
}

export function urnType(urn: string): string {
  return qualifiedType(urn).split('$').at(-1)!;
}

export function urnName(urn: string): string {
  return urn.split('::').slice(3).join('::');
}

export function isProviderType(type: string): boolean {
  return type.startsWith(PROVIDER_TYPE);
}

/** A provider that the engine made by itself. */
export function isDefaultProvider(urn: string): boolean {
  return isProviderType(urnType(urn)) && urnName(urn).startsWith('default');
}

/** The package of a provider's type: pulumi:providers:alicloud is alicloud. */
export function providerPackage(type: string): string {
  return type.slice(PROVIDER_TYPE.length);
}

/** The package that a resource's or a function's token belongs to. */
export function tokenPackage(token: string): string {
  return token.split(':')[0]!;
}

/** The default provider's name for a version: default_3_108_0. */
export function defaultProviderName(version: string | undefined): string {
  return version ? `default_${version.replace(/[.+-]/g, '_')}` : 'default';
}

/** URN::ID, as a resource refers to its provider. */
export function providerReference(urn: string, id: string): string {
  return `${urn}::${id}`;
}

/** Splits URN::ID. */
export function parseProviderReference(reference: string): { urn: string; id: string } {
  const at = reference.lastIndexOf('::');
  return { urn: reference.slice(0, at), id: reference.slice(at + 2) };
}
