import { rmSync } from 'node:fs';
import { qualifiedName } from '../backend/reference';
import { type Run } from '../cli/command';
import { CommandError } from '../errors';
import { selectStack } from '../project/selection';
import { StackConfig } from '../project/stack-config';
import { type StackReference } from '../backend/reference';
import { type Deployment } from '../state/checkpoint';
import { Keyring } from './secrets';
import { Session } from './session';

/** `pulumi stack rm`. */
export const removeStack: Run = async (invocation) => {
  const { flags, args, out } = invocation;
  const session = await Session.open(invocation);
  if (args.length > 0 && flags.has('stack')) {
    throw new CommandError('only one of --stack or argument stack name may be specified, not both');
  }
  const stack = await session.requireStack(args[0] ?? flags.string('stack'));
  if (!flags.bool('yes')) throw new CommandError('non-interactive mode requires --yes flag');
  const deployment = await lastDeployment(session, stack);
  await removeStackFiles(session, stack, { force: flags.bool('force'), removeBackups: flags.bool('remove-backups') });
  removeConfig(session, stack);
  new Keyring(invocation.env).forget(deployment);
  out(`Stack '${session.display(stack)}' has been removed!\n`);
};

/** A state that can't be read is removed all the same. */
async function lastDeployment(session: Session, stack: StackReference): Promise<Deployment | undefined> {
  try {
    return (await session.backend.load(stack))?.checkpoint.latest;
  } catch {
    return undefined;
  }
}

/** Removes a stack's state and history, and forgets it when it was selected. */
async function removeStackFiles(
  session: Session,
  stack: StackReference,
  options: { readonly force: boolean; readonly removeBackups: boolean },
): Promise<void> {
  await session.locks.during(stack, () =>
    session.backend.remove(stack, { ...options, currentProject: session.project?.name }),
  );
  const selected = session.selected();
  if (session.project && selected && qualifiedName(selected) === qualifiedName(stack)) {
    selectStack(session.invocation.env, session.project, session.storage.url, undefined);
  }
}

/** Removes Pulumi.STACK.yaml, when the stack is of the project that the command stands in. */
function removeConfig(session: Session, stack: StackReference): void {
  if (session.project && session.project.name === stack.project) {
    rmSync(StackConfig.load(session.project, stack.name).file, { force: true });
  }
}
