import { CommandError } from '../errors';

/** Which stack: a DIY backend knows one organization, called "organization". */
export interface StackReference {
  project: string;
  name: string;
}

/** organization/PROJECT/STACK. */
export function qualifiedName({ project, name }: StackReference): string {
  return `organization/${project}/${name}`;
}

/** As a person sees it: the bare name within its own project. */
export function displayName(stack: StackReference, currentProject: string | undefined): string {
  return stack.project === currentProject ? stack.name : qualifiedName(stack);
}

/** Parses STACK, organization/STACK or organization/PROJECT/STACK; throws CommandError. */
export function parseReference(text: string, currentProject: string | undefined): StackReference {
  if (!text) throw new CommandError('stack name must not be empty');
  const parts = text.split('/');
  const name = parts.length > 3 ? text : parts[parts.length - 1]!;
  if (parts.length > 1 && parts.length <= 3 && parts[0] !== 'organization') {
    throw new CommandError("organization name must be 'organization'");
  }
  const project = parts.length === 3 ? parts[1]! : currentProject;
  if (!project) {
    throw new CommandError(
      'no Pulumi.yaml project file found; either run this command from a directory containing a Pulumi project, ' +
        'or pass the fully qualified stack name (organization/project/stack)',
    );
  }
  if (name.length > 100) throw new CommandError('a stack name cannot exceed 100 characters');
  if (!/^[A-Za-z0-9_.-]+$/.test(name)) {
    throw new CommandError('a stack name may only contain alphanumeric, hyphens, underscores, or periods');
  }
  return { project, name };
}
